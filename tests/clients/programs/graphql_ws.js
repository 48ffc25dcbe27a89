// graphql-ws: one socket, many operations.

import { connect, createServer } from "node:net";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { all, CANCEL, LOG, WATCH, watchAndCancel } from "./operations.js";
import { play } from "./scenario.js";

function client(log, options = {}) {
  return createClient({
    url: log.ws,
    webSocketImpl: WebSocket,
    connectionParams: { Authorization: log.authorization },
    retryAttempts: 0,
    ...options,
  });
}

/** What an operation throws. */
async function thrown(client, operation) {
  try {
    return { answered: await all(client, operation) };
  } catch (problem) {
    return Array.isArray(problem) ? problem : { code: problem.code, reason: problem.reason };
  }
}

/** The socket's way to the log, which can be broken. */
async function line(log) {
  const { hostname, port } = new URL(log.ws);
  const sockets = new Set();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const [from, to] of [[near, far], [far, near]]) {
      sockets.add(from);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => (sockets.delete(from), to.destroy()));
    }
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `ws://127.0.0.1:${server.address().port}/graphql`,
    breaks: () => sockets.forEach((socket) => socket.destroy()),
    close: () => server.close(),
  };
}

await play({
  async query(log) {
    const ws = client(log);
    const answers = await all(ws, { query: LOG, variables: { first: 1 } });
    await ws.dispose();
    return answers;
  },

  async subscription(log) {
    let connections = 0;
    const ws = client(log, { lazy: false, on: { connected: () => (connections += 1) } });
    const shown = await watchAndCancel(ws, log.id);
    const [after] = await all(ws, { query: "{ viewer { id } }" });
    await ws.dispose();
    return { ...shown, after, connections };
  },

  async errors(log) {
    const ws = client(log);
    const result = {
      invalid: await thrown(ws, { query: "{ nothing }" }),
      coerced: await thrown(ws, { query: LOG, variables: { first: "one" } }),
      unseen: await thrown(ws, { query: WATCH, variables: { id: "message.0" } }),
      after: await all(ws, { query: "{ viewer { id } }" }),
    };
    await ws.dispose();
    return result;
  },

  async signInRefused(log) {
    let tries = 0;
    const connectionParams = () => ((tries += 1), log.params);
    const ws = client(log, { connectionParams, retryAttempts: log.retries, retryWait: async () => {} });
    const refused = await thrown(ws, { query: "{ viewer { id } }" });
    await ws.dispose();
    return { refused, tries };
  },

  async lineBroken(log) {
    const way = await line(log);
    const closes = [];
    const ws = client(log, {
      url: way.url,
      retryAttempts: 3,
      retryWait: async () => {},
      on: { closed: ({ code }) => closes.push(code) },
    });
    const events = ws.iterate({ query: WATCH, variables: { id: log.id } });
    const seen = [(await events.next()).value];
    way.breaks();
    seen.push((await events.next()).value);
    await all(ws, { query: CANCEL, variables: { id: log.id } });
    seen.push((await events.next()).value);
    await events.return();
    await ws.dispose();
    way.close();
    return { seen, closes };
  },

  async signInExpired(log) {
    const closes = [];
    const tokens = [log.authorization];
    const ws = client(log, {
      connectionParams: () => ({ Authorization: tokens.at(-1) }),
      retryAttempts: 3,
      retryWait: async () => {},
      on: { closed: ({ code, reason }) => closes.push([code, reason]) },
    });
    const events = ws.iterate({ query: WATCH, variables: { id: log.id } });
    const seen = [(await events.next()).value];
    tokens.push(await log.meanwhile()); // in which the first expires
    seen.push((await events.next()).value);
    await events.return();
    await ws.dispose();
    return { seen, closes };
  },
});
