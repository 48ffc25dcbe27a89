// Apollo Client: links, errors, persisted queries, pages, and a cache in which each object stands once.

import { createHash } from "node:crypto";
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { CombinedGraphQLErrors, ServerError } from "@apollo/client/errors";
import { ErrorLink } from "@apollo/client/link/error";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { relayStylePagination } from "@apollo/client/utilities";
import { print } from "graphql";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { CANCEL, LOG, WATCH } from "./operations.js";
import { play } from "./scenario.js";

const page = gql(LOG);
const watch = gql(WATCH);
const cancel = gql(CANCEL);

function http(log, options = {}) {
  return new HttpLink({ uri: log.http, headers: { authorization: log.authorization }, ...options });
}

function client(link) {
  return new ApolloClient({
    link,
    cache: new InMemoryCache({
      typePolicies: { Query: { fields: { messages: relayStylePagination(["createdBetween", "filter", "orderBy"]) } } },
    }),
  });
}

/** A link that writes down how each operation is sent: by which method, and whether with its text. */
function recorded(log, sent) {
  return http(log, {
    fetch(address, asked) {
      const { method, body } = asked;
      const { query } = method === "GET" ? Object.fromEntries(new URL(address).searchParams) : JSON.parse(body);
      sent.push([method, query ? "text" : "hash"]);
      return fetch(address, asked);
    },
  });
}

function describe(error) {
  if (CombinedGraphQLErrors.is(error)) return { kind: "CombinedGraphQLErrors", data: error.data, errors: error.errors };
  if (ServerError.is(error)) return { kind: "ServerError", status: error.statusCode, body: JSON.parse(error.bodyText) };
  return { kind: error.name, message: error.message };
}

async function thrown(asked) {
  try {
    return { answered: (await asked).data };
  } catch (error) {
    return describe(error);
  }
}

const everythingWithAnId = gql`
  query Everything($id: ID!) {
    viewer { id district { id name } }
    schools { id name }
    message(id: $id) {
      id
      school { id name }
      district { id timeZone }
      sender { id name }
      recipients(first: 5) {
        edges { node { id name person { id name } student { id name } deliveries { id address } } }
      }
      deliveries(first: 5) {
        edges { node { id status } recipient { id contactedByPhone } }
      }
    }
    node(id: $id) { id ... on Message { body } }
  }
`;

/** The types of all objects that the cache keeps inside of others, since they have no id. */
function nested(value, found = new Set()) {
  for (const held of Object.values(value ?? {})) {
    if (typeof held !== "object") continue;
    if (held?.__typename) found.add(held.__typename);
    nested(held, found);
  }
  return found;
}

const sha256 = (text) => createHash("sha256").update(text).digest("hex");

await play({
  async pages(log) {
    const sent = [];
    const apollo = client(recorded(log, sent));
    const watched = apollo.watchQuery({ query: page, variables: { first: 4 } });
    const subscription = watched.subscribe({});
    const first = await apollo.query({ query: page, variables: { first: 4 } });
    await watched.fetchMore({ variables: { after: first.data.messages.pageInfo.endCursor } });
    const whole = (await apollo.query({ query: page, variables: { first: 4 } })).data.messages;
    subscription.unsubscribe();
    return {
      first: first.data.messages.edges.map(({ node }) => node.subject),
      whole: whole.edges.map(({ node }) => node.subject),
      hasNextPage: whole.pageInfo.hasNextPage,
      requests: sent.length,
    };
  },

  async cache(log) {
    const warnings = [];
    for (const level of ["warn", "error"]) console[level] = (...said) => warnings.push(said.join(" "));
    const apollo = client(http(log));
    const first = { first: 2 };
    await apollo.query({ query: page, variables: first });
    await apollo.query({ query: everythingWithAnId, variables: { id: log.id } });
    await apollo.query({ query: everythingWithAnId, variables: { id: log.other } });
    await apollo.mutate({ mutation: cancel, variables: { id: log.id } });
    const { ROOT_QUERY, ROOT_MUTATION, __META, ...objects } = apollo.cache.extract();
    return {
      objects: Object.keys(objects).sort(),
      nested: [...nested(ROOT_QUERY)],
      shown: apollo.readQuery({ query: page, variables: first }).messages.edges.map(({ node }) => node.status),
      warnings,
    };
  },

  async errors(log) {
    const linked = [];
    const link = ApolloLink.from([new ErrorLink(({ error }) => void linked.push(describe(error).kind)), http(log)]);
    const apollo = client(link);
    const ask = (text, options) => thrown(apollo.query({ query: gql(text), fetchPolicy: "no-cache", ...options }));
    return {
      invalid: await ask("{ nothing }"),
      coerced: await ask(LOG, { variables: { first: "one" } }),
      partial: await ask(log.partial),
      tooDeep: await ask(log.deep),
      linked,
    };
  },

  async signInRefused(log) {
    const apollo = client(http(log));
    return thrown(apollo.query({ query: gql`{ viewer { id } }` }));
  },

  async persisted(log) {
    const sent = [];
    const link = new PersistedQueryLink({ sha256, useGETForHashedQueries: log.byGet });
    const apollo = client(ApolloLink.from([link, recorded(log, sent)]));
    const ask = () => apollo.query({ query: gql`query Who { viewer { id } }`, fetchPolicy: "no-cache" });
    const answers = [await ask(), await ask()];
    return { answers: answers.map(({ data }) => data), sent };
  },

  /** As with the list of generate-persisted-query-manifest: what is sent is the id that the list has. */
  async listed(log) {
    const sent = [];
    const ids = new Map(log.manifest.operations.map(({ id, name }) => [name, id]));
    const generateHash = (document) => ids.get(document.definitions[0].name.value) ?? "not listed";
    const link = new PersistedQueryLink({ generateHash, disable: () => false, retry: () => false });
    const apollo = client(ApolloLink.from([link, recorded(log, sent)]));
    const ask = (query) => thrown(apollo.query({ query, fetchPolicy: "no-cache" }));
    const other = gql`query Other { viewer { name } }`;
    return {
      listed: await ask(gql`query Who { viewer { id } }`),
      unlisted: await ask(other),
      unlistedText: await thrown(client(http(log)).query({ query: other })),
      texts: sent.filter(([, by]) => by === "text").length,
    };
  },

  async subscription(log) {
    const ws = createClient({
      url: log.ws,
      webSocketImpl: WebSocket,
      connectionParams: { Authorization: log.authorization },
    });
    const lasts = ({ operationType }) => operationType === "subscription";
    const apollo = client(ApolloLink.split(lasts, new GraphQLWsLink(ws), http(log)));
    await apollo.query({ query: page, variables: { first: 1 } });
    const shown = () => apollo.readQuery({ query: page, variables: { first: 1 } }).messages.edges[0].node.status;
    const seen = [];
    await new Promise((done, failed) => {
      const subscription = apollo.subscribe({ query: watch, variables: { id: log.id } }).subscribe({
        next({ data, error }) {
          if (error) return failed(error);
          seen.push([data.messageChanged.status, shown()]);
          if (seen.length === 2) return subscription.unsubscribe(), done();
          // Around the cache, as by another person: only the subscription tells of it.
          fetch(log.http, {
            method: "POST",
            headers: { authorization: log.authorization, "content-type": "application/json" },
            body: JSON.stringify({ query: print(cancel), variables: { id: log.id } }),
          });
        },
        error: failed,
      });
    });
    await ws.dispose();
    return seen;
  },
});
