// What clients ask of the log, whichever they are.

export const LOG = /* GraphQL */ `
  query Log($first: Int, $after: String) {
    messages(createdBetween: { from: "2020-01-01", to: "2020-12-31" }, first: $first, after: $after) {
      totalCount
      edges {
        cursor
        node {
          id
          subject
          status
          sender {
            id
            name
          }
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`;

export const WATCH = /* GraphQL */ `
  subscription Watch($id: ID!) {
    messageChanged(id: $id) {
      id
      status
    }
  }
`;

export const CANCEL = /* GraphQL */ `
  mutation Cancel($id: ID!) {
    cancelMessage(input: { messageId: $id }) {
      __typename
      ... on CancelMessageSuccess {
        isNew
        canceledMessage {
          id
          status
        }
      }
      ... on UserError {
        message
      }
    }
  }
`;

/** All that an operation is answered, by a client that iterates. */
export async function all(client, operation) {
  const answers = [];
  for await (const answer of client.iterate(operation)) answers.push(answer);
  return answers;
}

/** What a subscriber to a message sees, who cancels it after the first event, and what the cancellation is answered. */
export async function watchAndCancel(client, id) {
  const events = client.iterate({ query: WATCH, variables: { id } });
  const seen = [(await events.next()).value];
  const [canceled] = await all(client, { query: CANCEL, variables: { id } });
  seen.push((await events.next()).value);
  await events.return();
  return { seen, canceled };
}
