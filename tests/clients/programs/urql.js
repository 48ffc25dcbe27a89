// urql: answers by fetch, which would take events as well, and subscriptions over graphql-ws or by events.

import { cacheExchange, Client, fetchExchange, subscriptionExchange } from "@urql/core";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { CANCEL, LOG, WATCH } from "./operations.js";
import { play } from "./scenario.js";

function client(log, { exchanges = [], ...options } = {}) {
  const types = [];
  const urql = new Client({
    url: log.http,
    preferGetMethod: false,
    fetchOptions: { headers: { authorization: log.authorization } },
    exchanges: [cacheExchange, ...exchanges, fetchExchange],
    async fetch(address, asked) {
      const answer = await fetch(address, asked);
      types.push([asked.headers.accept, answer.status, answer.headers.get("content-type")]);
      return answer;
    },
    ...options,
  });
  return { urql, types };
}

function contentOf({ data, error }) {
  return {
    data: data ?? null,
    ...(error && {
      network: error.networkError?.message ?? null,
      errors: error.graphQLErrors.map(({ message, path, extensions }) => ({ message, path, extensions })),
    }),
  };
}

/** What a subscriber sees until the message is canceled, which it asks for when it has seen the first. */
function untilCanceled(urql, id) {
  const seen = [];
  let canceled;
  return new Promise((done) => {
    const { unsubscribe } = urql.subscription(WATCH, { id }).subscribe((result) => {
      seen.push(contentOf(result));
      if (seen.length === 1) canceled = urql.mutation(CANCEL, { id }).toPromise();
      // The event may come before the answer to the mutation.
      else canceled.then(() => (unsubscribe(), done(seen)));
    });
  });
}

await play({
  async query(log) {
    const { urql, types } = client(log);
    const asked = await urql.query(LOG, { first: 1 });
    const again = await urql.query(LOG, { first: 1 });
    return { ...contentOf(asked), again: again.data.messages.totalCount, types };
  },

  async mutation(log) {
    const { urql, types } = client(log);
    const statuses = [];
    const asked = () => urql.query(LOG, { first: 1 });
    statuses.push((await asked()).data.messages.edges[0].node.status);
    const canceled = contentOf(await urql.mutation(CANCEL, { id: log.id }));
    statuses.push((await asked()).data.messages.edges[0].node.status);
    return { canceled, statuses, requests: types.length };
  },

  async errors(log) {
    const { urql, types } = client(log);
    return {
      invalid: contentOf(await urql.query("{ nothing }", {})),
      partial: contentOf(await urql.query(log.partial, {})),
      tooDeep: contentOf(await urql.query(log.deep, {})),
      types: types.map(([, status, type]) => [status, type]),
    };
  },

  async signInRefused(log) {
    const { urql } = client(log);
    return contentOf(await urql.query("{ viewer { id } }", {}));
  },

  async subscription(log) {
    const ws = createClient({
      url: log.ws,
      webSocketImpl: WebSocket,
      connectionParams: { Authorization: log.authorization },
    });
    const overSocket = subscriptionExchange({
      forwardSubscription: (request) => ({
        subscribe: (sink) => ({ unsubscribe: ws.subscribe({ ...request, query: request.query ?? "" }, sink) }),
      }),
    });
    const seen = await untilCanceled(client(log, { exchanges: [overSocket] }).urql, log.id);
    await ws.dispose();
    return seen;
  },

  async subscriptionByEvents(log) {
    const { urql, types } = client(log, { fetchSubscriptions: true });
    return { seen: await untilCanceled(urql, log.id), types };
  },
});
