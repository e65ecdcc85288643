// The floor: what an operation cannot be done without, and nothing else. No key, no checks, no refusals, no repeats.
// Each handler writes the rows that Patchbay writes, in as many round trips to D1, and as many queue sends.

const WORKSPACE = "00000000-0000-7000-8000-000000000001";
const CHANNEL = "00000000-0000-7000-8000-000000000002";
const ENDPOINT = "00000000-0000-7000-8000-000000000003";

const MESSAGE = `INSERT INTO message (workspace_id, id, conversation_id, channel_id, contact_id, direction, status,
    content, actor, fingerprint, seq, turn, due_at, pushed_at, created_at)
  SELECT workspace_id, ?3, id, channel_id, contact_id, 'outbound', 'accepted', ?4, 'bot', ?5, last_seq + 1,
    last_seq + 1, ?6, ?6, ?6
  FROM conversation WHERE workspace_id = ?1 AND id = ?2`;
const SENDING = `INSERT INTO message (workspace_id, id, conversation_id, channel_id, contact_id, direction, status,
    content, actor, fingerprint, seq, turn, due_at, pushed_at, created_at, attempt, claim, lease_until, sending_at)
  SELECT workspace_id, ?3, id, channel_id, contact_id, 'outbound', 'sending', ?4, 'bot', ?5, last_seq + 1,
    last_seq + 1, ?6, ?6, ?6, 1, ?3, ?6 + 30000, ?6
  FROM conversation WHERE workspace_id = ?1 AND id = ?2`;
const ACTIVITY = `UPDATE conversation SET last_seq = last_seq + 1, last_outbound_at = ?3, last_activity_at = ?3
  WHERE workspace_id = ?1 AND id = ?2`;
const IDEMPOTENCY = `INSERT INTO idempotency (day, workspace_id, scope, fingerprint, subject_id, created_at)
  VALUES (?1, ?2, ?3, ?4, ?5, ?6)`;
const ATTEMPT = `INSERT INTO attempt (workspace_id, message_id, number, outcome, started_at, ended_at)
  VALUES (?1, ?2, 1, 'sent', ?3, ?4)`;
const SENT = `UPDATE message SET status = 'sent', lease_until = NULL, turn = NULL, due_at = NULL,
    provider_message_id = ?3, sent_at = ?4
  WHERE workspace_id = ?1 AND id = ?2`;
const RECEIVED = `INSERT INTO message (workspace_id, id, conversation_id, channel_id, contact_id, direction, status,
    content, provider_message_id, seq, created_at)
  SELECT c.workspace_id, p.value ->> '$.id', c.id, c.channel_id, c.contact_id, 'inbound', 'received',
    p.value ->> '$.content', p.value ->> '$.provider', c.last_seq + ROW_NUMBER() OVER (PARTITION BY c.id ORDER BY p.key),
    p.value ->> '$.at'
  FROM json_each(?1) p CROSS JOIN conversation c ON c.channel_id = ?2 AND c.address = p.value ->> '$.from'`;
const HEARD = `UPDATE conversation SET last_seq = last_seq + n.count, unread_count = unread_count + n.count,
    last_inbound_at = ?3, last_activity_at = ?3
  FROM (SELECT value ->> '$.from' AS address, COUNT(*) AS count FROM json_each(?1) GROUP BY 1) n
  WHERE conversation.channel_id = ?2 AND conversation.address = n.address`;
const EVENT = `INSERT INTO event (workspace_id, subject, type, id, channel_id, data, created_at)
  SELECT ?2, value ->> '$.id', 'message.received', value ->> '$.event', ?3, value ->> '$.data', ?4 FROM json_each(?1)`;
const DELIVERY = `INSERT INTO delivery (workspace_id, endpoint_id, event_id, subject, type, status, due_at, pushed_at,
    created_at)
  SELECT ?2, ?3, value ->> '$.event', value ->> '$.id', 'message.received', 'pending', ?4, ?4, ?4 FROM json_each(?1)`;

let key;

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    switch (pathname) {
      case "/send": return send(await request.json(), request.headers.get("idempotency-key"), env);
      case "/inline": return inline(await request.json(), request.headers.get("idempotency-key"), env);
      case "/webhook": return webhook(request, env);
      case "/people": return people(await request.json(), env);
      case "/healthz": return new Response("ok");
      default: return new Response("no such route", { status: 404 });
    }
  },
};

async function send({ to, text }, scope, env) {
  const id = newId();
  const results = await env.DB.batch(accept(MESSAGE, id, to, text, scope, env));
  await env.OUTBOUND.send(JSON.stringify({ workspace: WORKSPACE, message: id }), { contentType: "text" });
  return answer(202, { id, status: "accepted" }, results);
}

async function inline({ to, text }, scope, env) {
  const id = newId();
  const accepted = await env.DB.batch(accept(SENDING, id, to, text, scope, env));
  const started = Date.now();
  const provider = await fetch(`${env.TWILIO_API_BASE}/2010-04-01/Accounts/${env.SMS_ACCOUNT}/Messages.json`, {
    method: "POST",
    headers: { authorization: `Basic ${btoa(`${env.SMS_ACCOUNT}:${env.SMS_TOKEN}`)}` },
    body: new URLSearchParams({ From: "+15550100002", To: `+${to}`, Body: text }),
  });
  const { sid } = await provider.json();
  const recorded = await env.DB.batch([
    env.DB.prepare(ATTEMPT).bind(WORKSPACE, id, started, Date.now()),
    env.DB.prepare(SENT).bind(WORKSPACE, id, sid, Date.now()),
  ]);
  return answer(200, { id, status: "sent" }, [...accepted, ...recorded]);
}

function accept(insert, id, to, text, scope, env) {
  const now = Date.now();
  const content = JSON.stringify({ type: "text", text });
  return [
    env.DB.prepare(insert).bind(WORKSPACE, conversationOf(to), id, content, id, now),
    env.DB.prepare(ACTIVITY).bind(WORKSPACE, conversationOf(to), now),
    env.DB.prepare(IDEMPOTENCY).bind(Math.floor(now / 86_400_000), WORKSPACE, scope, id, id, now),
  ];
}

async function webhook(request, env) {
  const body = await request.arrayBuffer();
  key ??= await crypto.subtle.importKey(
    "raw", new TextEncoder().encode(env.APP_SECRET), { name: "HMAC", hash: "SHA-256" }, false, ["verify"],
  );
  const signature = request.headers.get("x-hub-signature-256").slice("sha256=".length);
  if (!await crypto.subtle.verify("HMAC", key, bytesOf(signature), body)) {
    return new Response("forged", { status: 401 });
  }
  const payload = JSON.parse(new TextDecoder().decode(body));
  const now = Date.now();
  const messages = payload.entry[0].changes[0].value.messages.map((message) => {
    const id = newId();
    const content = { type: "text", text: message.text.body };
    const at = Number(message.timestamp) * 1000;
    return { id, event: newId(), provider: message.id, from: message.from, at, content: JSON.stringify(content),
      data: JSON.stringify(eventData(id, message, content, at)) };
  });
  const json = JSON.stringify(messages);
  const results = await env.DB.batch([
    env.DB.prepare(RECEIVED).bind(json, CHANNEL),
    env.DB.prepare(HEARD).bind(json, CHANNEL, now),
    env.DB.prepare(EVENT).bind(json, WORKSPACE, CHANNEL, now),
    env.DB.prepare(DELIVERY).bind(json, WORKSPACE, ENDPOINT, now),
  ]);
  await env.EVENTS.sendBatch(messages.map(({ event }) => (
    { body: JSON.stringify({ endpoint_id: ENDPOINT, event_id: event }), contentType: "text" }
  )));
  return answer(200, {}, results);
}

// As much as an event's snapshot has.
function eventData(id, message, content, at) {
  const conversation = conversationOf(message.from);
  return {
    channel: { id: CHANNEL, type: "whatsapp", name: "Floor", identifier: "+15550100001" },
    conversation: { id: conversation, channel_id: CHANNEL, channel_type: "whatsapp", contact_id: conversation,
      contact_name: "Ada", address: message.from, status: "open", mode: "ai", assignee: null, unread_count: 1,
      enforce_window: 1, last_inbound_at: at, last_outbound_at: at, last_activity_at: at, created_at: at },
    message: { id, conversation_id: conversation, channel_id: CHANNEL, channel_type: "whatsapp",
      contact_id: conversation, direction: "inbound", status: "received", content, reply_to: null,
      provider_message_id: message.id, error: { code: null, message: null, provider_code: null }, metadata: null,
      seq: 1, times: { created_at: at } },
  };
}

// Sets the scene, once: the people who are written to.
async function people(addresses, env) {
  const now = Date.now();
  const json = JSON.stringify(addresses.map((address) => [conversationOf(address), address]));
  await env.DB.batch([
    env.DB.prepare("INSERT INTO workspace (id, name, created_at) VALUES (?1, 'Floor', ?2)").bind(WORKSPACE, now),
    env.DB.prepare(`INSERT INTO channel (id, workspace_id, type, name, identifier, match_key, status, settings, version,
        created_at)
      VALUES (?1, ?2, 'whatsapp', 'Floor', '+15550100001', '+15550100001', 'connected', '{}', 1, ?3)`)
      .bind(CHANNEL, WORKSPACE, now),
    env.DB.prepare(`INSERT INTO contact (workspace_id, id, name, folded, created_at)
      SELECT ?1, value ->> '$[0]', 'Ada', 'ada', ?2 FROM json_each(?3)`).bind(WORKSPACE, now, json),
    env.DB.prepare(`INSERT INTO conversation (workspace_id, id, channel_id, contact_id, address, status, mode,
        unread_count, last_seq, last_activity_at, created_at)
      SELECT ?1, value ->> '$[0]', ?2, value ->> '$[0]', value ->> '$[1]', 'open', 'ai', 0, 0, ?3, ?3 FROM json_each(?4)`)
      .bind(WORKSPACE, CHANNEL, now, json),
  ]);
  return new Response(null, { status: 204 });
}

function answer(status, body, results) {
  const rows = (name) => results.reduce((sum, { meta }) => sum + meta[name], 0);
  const cost = `read=${rows("rows_read")};written=${rows("rows_written")}`;
  return Response.json(body, { status, headers: { "x-cost": cost } });
}

function conversationOf(address) {
  return `00000000-0000-7000-9000-${address.padStart(12, "0").slice(-12)}`;
}

// In order of time, as Patchbay's are: rows go to the end of their index.
function newId() {
  const time = Date.now().toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${crypto.randomUUID().slice(15)}`;
}

function bytesOf(hex) {
  return Uint8Array.from(hex.match(/../g), (byte) => parseInt(byte, 16));
}
