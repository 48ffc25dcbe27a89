// graphql-sse: each operation a stream of its own (distinct connections mode).

import { createClient } from "graphql-sse";
import { all, LOG, WATCH, watchAndCancel } from "./operations.js";
import { play } from "./scenario.js";

function client(log) {
  return createClient({ url: log.http, headers: { authorization: log.authorization }, retryAttempts: 0 });
}

async function thrown(client, operation) {
  try {
    return { answered: await all(client, operation) };
  } catch (problem) {
    return { name: problem.constructor.name, status: problem.response?.status, body: await problem.response?.json() };
  }
}

await play({
  query: (log) => all(client(log), { query: LOG, variables: { first: 1 } }),

  subscription: (log) => watchAndCancel(client(log), log.id),

  async errors(log) {
    const sse = client(log);
    return {
      invalid: await thrown(sse, { query: "{ nothing }" }),
      unseen: await thrown(sse, { query: WATCH, variables: { id: "message.0" } }),
      tooDeep: await thrown(sse, { query: log.deep }),
      after: await all(sse, { query: "{ viewer { id } }" }),
    };
  },

  signInRefused: (log) => thrown(client(log), { query: "{ viewer { id } }" }),
});
