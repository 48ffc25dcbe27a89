// What hangs below messages and recipients, read once for all of a request.

import DataLoader from 'dataloader';

const RECIPIENTS = `
  SELECT recipient.message_id, number, name, student_id, student_name, contacted
  FROM unnest($1::bigint[]) AS asked (message_id), LATERAL (
    SELECT * FROM recipient WHERE recipient.message_id = asked.message_id ORDER BY key, number LIMIT $2
  ) AS recipient`;

const DELIVERIES = `
  SELECT message_id, recipient_number, number, mode, address, status, call_status, at, attempts
  FROM delivery WHERE message_id = $1 AND recipient_number = ANY ($2::int[]) ORDER BY recipient_number, number`;

const TALLIES = 'SELECT message_id, mode, status, deliveries FROM tally WHERE message_id = ANY ($1::bigint[])';

const SPANS = `
  SELECT message_id, min(started_at) AS started_at, max(ended_at) AS ended_at
  FROM span WHERE message_id = ANY ($1::bigint[]) GROUP BY message_id`;

/** The rows of each key, in the order of the keys. */
function grouped(keys, rows, keyOf) {
  const groups = new Map(keys.map((key) => [key, []]));
  for (const row of rows) groups.get(keyOf(row))?.push(row);
  return keys.map((key) => groups.get(key));
}

/** Loaders for one request. */
export function loadersOf(pool) {
  const all = async (text, ...values) => (await pool.query(text, values)).rows;
  return {
    recipients: new DataLoader(
      async (asked) => {
        const ids = asked.map(({ id }) => id);
        return grouped(ids, await all(RECIPIENTS, ids, asked[0].first), (row) => row.message_id);
      },
      { cacheKeyFn: ({ id, first }) => `${id} ${first}` },
    ),
    deliveries: new DataLoader(async (recipients) => {
      const [{ message_id: id }] = recipients;
      const numbers = recipients.map(({ number }) => number);
      return grouped(numbers, await all(DELIVERIES, id, numbers), (row) => row.recipient_number);
    }),
    tallies: new DataLoader(async (ids) => grouped(ids, await all(TALLIES, ids), (row) => row.message_id)),
    spans: new DataLoader(async (ids) => {
      const spans = new Map((await all(SPANS, ids)).map((row) => [row.message_id, row]));
      return ids.map((id) => spans.get(id));
    }),
  };
}
