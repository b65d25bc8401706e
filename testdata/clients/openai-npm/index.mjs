// Points the official npm client at a loopback model server and checks what it makes of the answers: warm-up,
// a fork on a lane, continuation and errors over a WebSocket, then server-sent events, plain JSON and chat.
//
//   SPARK_LOOPBACK_URL=http://127.0.0.1:8080/v1 node index.mjs
//
// The server must answer without a script. Every check prints a line; the first mismatch ends it with status 1.
import assert from 'node:assert/strict';
import process from 'node:process';
import OpenAI from 'openai';
import { ResponsesWS } from 'openai/resources/responses/ws';

const baseURL = process.env.SPARK_LOOPBACK_URL;
if (!baseURL) {
  console.error("openai-npm: SPARK_LOOPBACK_URL is not set (the server's base URL, ending in /v1)");
  process.exit(2);
}
const says = 'spark loopback model'; // every canned answer says this of itself
const model = 'loopback';
const client = new OpenAI({ baseURL, apiKey: 'loopback', maxRetries: 0 });
setTimeout(() => {
  console.error('MISMATCH no end after a minute');
  process.exit(1);
}, 60_000).unref();

/** One WebSocket whose events are read one after the other. */
class Socket {
  constructor() {
    this.ws = new ResponsesWS(client);
    this.ws.on('error', () => {}); // an error event is read below like any other
    this.events = this.ws.stream();
  }

  send(fields) {
    this.ws.send({ type: 'response.create', model, store: false, ...fields });
  }

  async next() {
    for (;;) {
      const { value, done } = await this.events.next();
      assert.ok(!done, 'the connection ended');
      if (value.type === 'message') return value.message;
      if (value.type === 'error') return value.error.error ?? value.error;
      assert.notEqual(value.type, 'close', 'the connection was closed');
    }
  }

  /** Reads one response: its text, and its terminal event. */
  async answer(lane) {
    let text = '';
    let done = '';
    for (let n = 0; ; n++) {
      const e = await this.next();
      if (e.type === 'error') return { error: e };
      if (!e.type.startsWith('response.')) {
        n--; // codex.rate_limits and such have no number
        continue;
      }
      assert.equal(e.sequence_number, n, `sequence_number of ${e.type}`);
      assert.equal(e.stream_id, lane, `stream_id of ${e.type}`);
      if (n < 2) assert.equal(e.type, ['response.created', 'response.in_progress'][n]);
      if (e.type === 'response.output_text.delta') text += e.delta;
      if (e.type === 'response.output_text.done') done = e.text;
      if (e.type === 'response.completed') {
        assert.equal(text, done, 'the deltas and the whole text');
        assert.equal(e.response.status, 'completed');
        return { text, response: e.response };
      }
      assert.ok(!['response.failed', 'response.incomplete'].includes(e.type), e.type);
    }
  }

  close() {
    this.ws.close({ code: 1000, reason: 'OK' });
  }
}

const checks = {
  'models are listed': async () => {
    assert.ok((await client.models.list()).data.length > 0);
  },

  'WebSocket: warm-up, fork, continuation, errors': async () => {
    const s = new Socket();
    s.send({ generate: false, stream_id: 'base', input: 'Rules for everything that follows.' });
    const warm = await s.answer('base');
    assert.equal(warm.text, '');
    assert.equal(warm.response.usage.output_tokens, 0);
    assert.deepEqual(warm.response.output, []);

    s.send({ stream_id: 'edit-1', previous_response_id: warm.response.id, input: 'Say who you are.' });
    const fork = await s.answer('edit-1');
    assert.match(fork.text, new RegExp(says));
    assert.equal(fork.response.previous_response_id, warm.response.id);
    assert.ok(fork.response.usage.input_tokens_details.cached_tokens > 0, 'the warmed part is cached');

    s.send({ stream_id: 'edit-1', previous_response_id: fork.response.id, input: 'Once more.' });
    assert.match((await s.answer('edit-1')).text, new RegExp(says));

    s.send({ previous_response_id: 'resp_unknown', input: 'x' });
    const { error } = await s.answer();
    assert.equal(error?.error?.code, 'previous_response_not_found');
    assert.equal(error.status, 400);

    s.send({ input: 'main.py\n<region>\n  x = 1\n</region>\n' });
    assert.equal((await s.answer()).text, `  # ${says}\n  x = 1\n`);
    s.close();
  },

  'HTTP: server-sent events': async () => {
    const stream = await client.responses.create({ model, input: 'Say who you are.', stream: true });
    let text = '';
    let n = 0;
    let last;
    for await (const e of stream) {
      assert.equal(e.sequence_number, n++, `sequence_number of ${e.type}`);
      if (e.type === 'response.output_text.delta') text += e.delta;
      last = e;
    }
    assert.equal(last.type, 'response.completed');
    assert.match(text, new RegExp(says));
  },

  'HTTP: continuation and its refusal': async () => {
    const first = await client.responses.create({ model, input: 'x' });
    assert.match(first.output_text, new RegExp(says));
    const second = await client.responses.create({ model, input: 'y', previous_response_id: first.id });
    assert.equal(second.previous_response_id, first.id);
    await assert.rejects(client.responses.create({ model, input: 'y', previous_response_id: 'resp_unknown' }), (e) => {
      assert.equal(e.status, 400);
      assert.equal(e.code, 'previous_response_not_found');
      return true;
    });
  },

  'HTTP: chat completions': async () => {
    const messages = [{ role: 'user', content: 'Say who you are.' }];
    let text = '';
    for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
      text += chunk.choices[0]?.delta?.content ?? '';
    }
    assert.match(text, new RegExp(says));
    const whole = await client.chat.completions.create({ model, messages });
    assert.equal(whole.choices[0].message.content, text);
  },
};

for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
  } catch (e) {
    console.error(`MISMATCH ${name}: ${e.stack ?? e}`);
    process.exit(1);
  }
  console.log('ok', name);
}
