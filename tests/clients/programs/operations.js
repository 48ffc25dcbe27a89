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
