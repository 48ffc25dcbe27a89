// graphql-yoga with graphql-jit over the tables of the log, as one writes it by hand: a list is one statement with the
// columns that were asked for, and what hangs below its rows is one statement more for all of them.

import { useGraphQlJit } from '@envelop/graphql-jit';
import { GraphQLScalarType } from 'graphql';
import { createSchema, createYoga } from 'graphql-yoga';
import pg from 'pg';

import { loadersOf } from './loaders.mjs';
import { poolConfig, serve, signIn } from './serving.mjs';
import { columnsOf } from './selection.mjs';

// An instant goes out as it came in, with no Date between: `2020-01-01 06:01:00+00` in a session at UTC.
pg.types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text) => `${text.slice(0, 10)}T${text.slice(11)}:00`);
// No number of a row is near 2 ** 53.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

const pool = new pg.Pool(poolConfig);

const typeDefs = /* GraphQL */ `
  scalar DateTime
  type Query {
    messages(createdFrom: DateTime!, createdBefore: DateTime!, subject: String, first: Int!, after: String): MessageConnection!
    message(id: ID!): Message
  }
  type MessageConnection { nodes: [Message!]! }
  type Message {
    id: ID!
    externalId: String!
    status: String!
    type: MessageType!
    subject: String!
    sender: Sender!
    createdAt: DateTime!
    scheduledAt: DateTime!
    scheduleId: String
    deliveryModes: [String!]!
    deliverySummary: DeliverySummary!
    recipients(first: Int!): RecipientConnection!
  }
  type MessageType { code: String! label: String! }
  type Sender { id: ID! name: String! }
  type RecipientConnection { nodes: [Recipient!]! }
  type Recipient {
    id: ID!
    name: String!
    student: Student
    contactedByPhone: Boolean!
    deliveries: [Delivery!]!
  }
  type Student { id: ID! name: String! }
  type Delivery {
    id: ID!
    mode: String!
    address: String!
    status: String!
    callStatus: CallStatus
    at: DateTime
    attempts: Int!
  }
  type CallStatus { code: Int! }
  type DeliverySummary {
    totalRecipients: Int!
    totalNoDevice: Int!
    recipientsContactedByPhone: Int!
    startedAt: DateTime
    endedAt: DateTime
    tallies: [Tally!]!
  }
  type Tally { mode: String! status: String! count: Int! }
`;

/** Which columns a field of a message is made of. */
const MESSAGE_COLUMNS = {
  externalId: ['external_id'],
  status: ['status'],
  type: ['type_code', 'type_label'],
  subject: ['subject'],
  sender: ['sender_id', 'sender_name'],
  createdAt: ['created_at'],
  scheduledAt: ['scheduled_at'],
  scheduleId: ['schedule_id'],
  deliveryModes: ['modes'],
  deliverySummary: ['people', 'people_without_device', 'people_contacted'],
};

const numberIn = (id) => Number(id.slice(id.indexOf('.') + 1));

async function messages(_, { createdFrom, createdBefore, subject, first, after }, { districtId }, info) {
  const values = [districtId, createdFrom, createdBefore, first];
  const conditions = ['district_id = $1', 'created_at >= $2', 'created_at < $3', 'visible_from <= now()'];
  if (subject) conditions.push(`subject_key LIKE $${values.push(`%${subject.toLowerCase()}%`)}`);
  if (after) {
    const [createdAt, id] = JSON.parse(Buffer.from(after, 'base64url').toString());
    conditions.push(`(created_at, id) < ($${values.push(createdAt)}, $${values.push(id)})`);
  }
  const columns = columnsOf(info, ['nodes'], MESSAGE_COLUMNS);
  const { rows } = await pool.query(
    `SELECT id, ${columns} FROM message WHERE ${conditions.join(' AND ')} ORDER BY created_at DESC, id DESC LIMIT $4`,
    values,
  );
  return { nodes: rows };
}

async function message(_, { id }, { districtId }, info) {
  const columns = columnsOf(info, [], MESSAGE_COLUMNS);
  const { rows } = await pool.query(
    `SELECT id, ${columns} FROM message WHERE district_id = $1 AND id = $2 AND visible_from <= now()`,
    [districtId, numberIn(id)],
  );
  return rows[0];
}

/** The counts of a message by mode and status; those of one mode and status differ in the call status. */
function byModeAndStatus(tallies) {
  const counts = new Map();
  for (const { mode, status, deliveries } of tallies) {
    const key = `${mode} ${status}`;
    const before = counts.get(key);
    if (before) before.count += deliveries;
    else counts.set(key, { mode, status, count: deliveries });
  }
  return [...counts.values()];
}

const asItIs = (value) => value;

const resolvers = {
  DateTime: new GraphQLScalarType({
    name: 'DateTime',
    serialize: asItIs,
    parseValue: asItIs,
    parseLiteral: ({ value }) => value,
  }),
  Query: { messages, message },
  Message: {
    id: ({ id }) => `message.${id}`,
    externalId: (row) => row.external_id,
    type: (row) => row,
    sender: (row) => row,
    createdAt: (row) => row.created_at,
    scheduledAt: (row) => row.scheduled_at,
    scheduleId: (row) => row.schedule_id,
    deliveryModes: ({ modes }) => modes.split(','),
    recipients: async ({ id }, { first }, { loaders }) => ({ nodes: await loaders.recipients.load({ id, first }) }),
    deliverySummary: async (row, _, { loaders }) => {
      const [tallies, span] = await Promise.all([loaders.tallies.load(row.id), loaders.spans.load(row.id)]);
      return { ...row, ...span, tallies: byModeAndStatus(tallies) };
    },
  },
  MessageType: { code: (row) => row.type_code, label: (row) => row.type_label },
  Sender: { id: (row) => row.sender_id, name: (row) => row.sender_name },
  Recipient: {
    id: (row) => `recipient.${row.message_id}.${row.number}`,
    student: (row) => (row.student_id === null ? null : row),
    contactedByPhone: (row) => row.contacted,
    deliveries: (row, _, { loaders }) => loaders.deliveries.load(row),
  },
  Student: { id: (row) => `student.${row.student_id}`, name: (row) => row.student_name },
  Delivery: {
    id: (row) => `delivery.${row.message_id}.${row.recipient_number}.${row.number}`,
    callStatus: (row) => (row.call_status === null ? null : row),
  },
  CallStatus: { code: (row) => row.call_status },
  DeliverySummary: {
    totalRecipients: (row) => row.people,
    totalNoDevice: (row) => row.people_without_device,
    recipientsContactedByPhone: (row) => row.people_contacted,
    startedAt: (row) => row.started_at,
    endedAt: (row) => row.ended_at,
  },
};

const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers }),
  graphiql: false,
  landingPage: false,
  logging: 'warn',
  context({ request }) {
    signIn(request.headers.get('authorization'));
    return { districtId: 1, loaders: loadersOf(pool) };
  },
  plugins: [useGraphQlJit()],
});

await serve((server) => server.on('request', yoga));
