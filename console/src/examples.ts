import log from "./examples/log.graphql?raw";
import search from "./examples/search.graphql?raw";
import message from "./examples/message.graphql?raw";
import people from "./examples/people.graphql?raw";
import person from "./examples/person.graphql?raw";
import waiting from "./examples/waiting.graphql?raw";
import savedSearches from "./examples/saved-searches.graphql?raw";
import inbox from "./examples/inbox.graphql?raw";
import contactProblems from "./examples/contact-problems.graphql?raw";
import contactProblemReport from "./examples/contact-problem-report.graphql?raw";
import familyReport from "./examples/family-report.graphql?raw";
import figures from "./examples/figures.graphql?raw";
import watch from "./examples/watch.graphql?raw";
import watchLog from "./examples/watch-log.graphql?raw";
import cancel from "./examples/cancel.graphql?raw";
import cancelMany from "./examples/cancel-many.graphql?raw";
import callStatuses from "./examples/call-statuses.graphql?raw";
import system from "./examples/system.graphql?raw";

/** The tabs that GraphiQL opens with, in this order. A tab is called by the name of its operation. */
export const EXAMPLES: readonly string[] = [
  log,
  search,
  message,
  people,
  person,
  familyReport,
  inbox,
  contactProblems,
  contactProblemReport,
  figures,
  waiting,
  savedSearches,
  watch,
  watchLog,
  cancel,
  cancelMany,
  callStatuses,
  system,
];
