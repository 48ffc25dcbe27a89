import { createGraphiQLFetcher, type Fetcher } from "@graphiql/toolkit";
import { createClient } from "graphql-ws";

/** Beside the page, whose address ends in `/graphiql/`, below whatever path a reverse proxy has it. */
const ENDPOINT = new URL("../graphql", location.href).href;

/** What the server closes a WebSocket with when `connection_init` carries no token that holds. */
const REFUSED_CLOSE_CODES: readonly number[] = [4401, 4403];

/** One sign-in: everything that is asked through `fetcher` carries its token. */
export interface Connection {
  readonly fetcher: Fetcher;
  close(): void;
}

/**
 * Ask the server as the one whom `token` names; call `onRefused` whenever it does not take the token, until closed.
 *
 * Queries go by fetch, subscriptions by WebSocket (graphql-transport-ws), which opens with the first of them.
 */
export function connect(token: string, onRefused: () => void): Connection {
  const authorization = `Bearer ${token}`;
  let isClosed = false;
  // An answer may come after another token was taken: it says nothing of that one.
  const refuse = () => {
    if (!isClosed) onRefused();
  };
  const socket = createClient({
    url: ENDPOINT.replace(/^http/, "ws"),
    connectionParams: { Authorization: authorization },
    on: {
      closed: (event) => {
        if (event instanceof CloseEvent && REFUSED_CLOSE_CODES.includes(event.code)) refuse();
      },
    },
  });
  const fetcher = createGraphiQLFetcher({
    url: ENDPOINT,
    // Else it asks for multipart answers too, which the server does not give.
    enableIncrementalDelivery: false,
    wsClient: socket,
    fetch: async (input, init) => {
      const headers = new Headers(init?.headers);
      headers.set("Authorization", authorization);
      const response = await fetch(input, { ...init, headers, credentials: "omit" });
      if (response.status === 401) refuse();
      return response;
    },
  });
  const close = () => {
    isClosed = true;
    void socket.dispose();
  };
  return { fetcher, close };
}
