// The audit of the GraphQL over HTTP specification that comes with graphql-http.

import { serverAudits } from "graphql-http";
import { play } from "./scenario.js";

await play({
  async everything(log) {
    const fetchFn = (address, asked) =>
      fetch(address, { ...asked, headers: { ...asked?.headers, authorization: log.authorization } });
    const results = [];
    for (const audit of serverAudits({ url: log.http, fetchFn })) {
      const { id, name, status, reason } = await audit.fn();
      results.push([id, { name, status, ...(reason && { reason }) }]);
    }
    return Object.fromEntries(results);
  },
});
