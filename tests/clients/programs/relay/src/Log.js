// Relay, without React: what its compiler makes of the tags below, run by its runtime. Documents are sent by id alone.

import { createRequire } from "node:module";
import { createClient } from "graphql-ws";
import relay from "relay-runtime";
import WebSocket from "ws";
import { play } from "../../scenario.js";

const { commitMutation, Environment, fetchQuery, getRequest, getSingularSelector, Network, Observable } = relay;
const { createOperationDescriptor, RecordSource, requestSubscription, Store } = relay;

const DAYS = { from: "2020-01-01", to: "2020-12-31" };

let compiled;

/** What Relay's plugin of a bundler does at build time: each tag is what was compiled under its name. */
function graphql([text]) {
  const [, name] = /(?:query|mutation|subscription|fragment) (\w+)/.exec(text);
  return compiled(`./${name}.graphql`);
}

function open(log) {
  compiled = createRequire(`${log.compiled}/`);
  const ws = createClient({
    url: log.ws,
    webSocketImpl: WebSocket,
    connectionParams: { Authorization: log.authorization },
  });
  async function ask({ id }, variables) {
    const answer = await fetch(log.http, {
      method: "POST",
      headers: {
        authorization: log.authorization,
        "content-type": "application/json",
        accept: "application/graphql-response+json, application/json;q=0.9",
      },
      body: JSON.stringify({ documentId: id, variables }),
    });
    return answer.json();
  }
  const watch = ({ id }, variables) =>
    Observable.create((sink) => ws.subscribe({ query: "", documentId: id, variables }, sink));
  const environment = new Environment({ network: Network.create(ask, watch), store: new Store(new RecordSource()) });
  return { environment, close: () => ws.dispose() };
}

const pageQuery = () => graphql`
  query LogPageQuery($days: DateRange!, $count: Int!) {
    ...Log_messages @arguments(days: $days, count: $count)
  }
`;

const messagesFragment = () => graphql`
  fragment Log_messages on Query
  @argumentDefinitions(days: { type: "DateRange!" }, count: { type: "Int!" }, cursor: { type: "String" })
  @refetchable(queryName: "LogMessagesPaginationQuery") {
    messages(createdBetween: $days, first: $count, after: $cursor) @connection(key: "Log_messages") {
      totalCount
      edges {
        node {
          id
          subject
          status
          ...Log_message
        }
      }
    }
  }
`;

const messageFragment = () => graphql`
  fragment Log_message on Message
  @argumentDefinitions(count: { type: "Int", defaultValue: 1 }, cursor: { type: "String" })
  @refetchable(queryName: "LogMessageRefetchQuery") {
    body
    viewerCanCancel
    sender {
      name
    }
    recipients(first: $count, after: $cursor) @connection(key: "Log_recipients") {
      edges {
        node {
          name
          person {
            name
          }
        }
      }
    }
  }
`;

const cancelMutation = () => graphql`
  mutation LogCancelMutation($input: CancelMessageInput!) {
    cancelMessage(input: $input) {
      __typename
      ... on CancelMessageSuccess {
        isNew
        canceledMessage {
          id
          status
          viewerCanCancel
        }
      }
      ... on UserError {
        message
      }
    }
  }
`;

const watchSubscription = () => graphql`
  subscription LogWatchSubscription($id: ID!) {
    messageChanged(id: $id) {
      id
      status
    }
  }
`;

function read(environment, fragment, reference) {
  return environment.lookup(getSingularSelector(fragment, reference)).data;
}

/** The connection as a component would show it now. */
function shown(environment, variables) {
  const { fragment } = createOperationDescriptor(getRequest(pageQuery()), variables);
  const { messages } = read(environment, messagesFragment(), environment.lookup(fragment).data);
  return messages;
}

await play({
  async pages(log) {
    const { environment } = open(log);
    const variables = { days: DAYS, count: 4 };
    await fetchQuery(environment, pageQuery(), variables).toPromise();
    const first = shown(environment, variables);
    const { refetch } = messagesFragment().metadata;
    await fetchQuery(environment, refetch.operation, { ...variables, cursor: first.pageInfo.endCursor }).toPromise();
    const whole = shown(environment, variables);
    return {
      first: first.edges.map(({ node }) => node.subject),
      whole: whole.edges.map(({ node }) => node.subject),
      hasNextPage: whole.pageInfo.hasNextPage,
    };
  },

  async node(log) {
    const { environment } = open(log);
    const { refetch } = messageFragment().metadata;
    const answer = await fetchQuery(environment, refetch.operation, { id: log.id }).toPromise();
    const message = read(environment, messageFragment(), answer.node);
    return { path: refetch.fragmentPathInResult, by: refetch.identifierInfo, message };
  },

  async changes(log) {
    const { environment, close } = open(log);
    const variables = { days: DAYS, count: 1 };
    await fetchQuery(environment, pageQuery(), variables).toPromise();
    const status = () => shown(environment, variables).edges[0].node.status;
    const seen = [];
    let canceled;
    await new Promise((done, failed) => {
      const { dispose } = requestSubscription(environment, {
        subscription: watchSubscription(),
        variables: { id: log.id },
        onError: failed,
        onNext({ messageChanged }) {
          seen.push([messageChanged.status, status()]);
          if (seen.length === 2) return dispose(), done();
          commitMutation(environment, {
            mutation: cancelMutation(),
            variables: { input: { messageId: log.id } },
            onCompleted: (answer) => (canceled = answer),
            onError: failed,
          });
        },
      });
    });
    await close();
    return { seen, canceled };
  },

  async unlisted(log) {
    const answer = await fetch(log.http, {
      method: "POST",
      headers: { authorization: log.authorization, "content-type": "application/json" },
      body: JSON.stringify({ query: "query LogOtherQuery { viewer { id } }" }),
    });
    return [answer.status, await answer.json()];
  },
});
