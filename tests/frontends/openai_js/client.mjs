// Does with OpenAI's SDK what an application does, and prints what came back as one JSON object.
// Run by tests/frontends/test_openai_js.py: node client.mjs <base URL>
import OpenAI, { APIUserAbortError, BadRequestError, NotFoundError } from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "any", maxRetries: 0, timeout: 30_000 });
const messages = [{ role: "system", content: "Be brief." }, { role: "user", content: "Any rooms left?" }];
const greedy = { model: "local", messages, temperature: 0, max_tokens: 12 };
const look = {
  type: "function",
  function: {
    name: "look",
    parameters: { type: "object", properties: { at: { enum: ["sky", "sea"] } }, required: ["at"], additionalProperties: false },
  },
};
const seen = {};

seen.models = (await client.models.list()).data.map((model) => model.id);
seen.model = (await client.models.retrieve("npc/hilda")).id;

const whole = await client.chat.completions.create(greedy);
seen.whole = { text: whole.choices[0].message.content, reason: whole.choices[0].finish_reason, usage: whole.usage };

seen.streamed = { text: "", reasons: [], usage: null };
for await (const chunk of await client.chat.completions.create({ ...greedy, stream: true, stream_options: { include_usage: true } })) {
  seen.streamed.text += chunk.choices[0]?.delta?.content ?? "";
  if (chunk.choices[0]?.finish_reason) seen.streamed.reasons.push(chunk.choices[0].finish_reason);
  seen.streamed.usage = chunk.usage ?? seen.streamed.usage;
}

const stop = whole.choices[0].message.content.slice(4, 7);
const stopped = await client.chat.completions.create({ ...greedy, stop: [stop] });
seen.stopped = { stop, text: stopped.choices[0].message.content, reason: stopped.choices[0].finish_reason };

const prefilled = await client.chat.completions.create({
  ...greedy, messages: [...messages, { role: "assistant", content: "There is" }], max_tokens: 4,
});
seen.prefilled = prefilled.choices[0].message.content;

const called = await client.chat.completions.create({ ...greedy, tools: [look], tool_choice: "required", max_tokens: 60 });
seen.called = called.choices[0].message.tool_calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]);
seen.calledReason = called.choices[0].finish_reason;

const runner = client.chat.completions.stream({ ...greedy, tools: [look], tool_choice: "required", max_tokens: 60 });
seen.calledInStream = (await runner.finalChatCompletion()).choices[0].message.tool_calls[0].function.name;

const schema = { type: "object", properties: { mood: { enum: ["calm", "cross"] } }, required: ["mood"], additionalProperties: false };
const parsed = await client.chat.completions.parse({
  ...greedy, max_tokens: 60, response_format: { type: "json_schema", json_schema: { name: "state", schema, strict: true } },
});
seen.parsed = parsed.choices[0].message.parsed;

const text = await client.completions.create({ model: "local", prompt: "Once upon", max_tokens: 5 });
seen.completion = text.choices[0].text;

seen.errors = {};
try {
  await client.chat.completions.create({ ...greedy, model: "none" });
} catch (error) {
  seen.errors.model = [error instanceof NotFoundError, error.status, error.code, error.param];
}
try {
  await client.chat.completions.create({ ...greedy, messages: [{ role: "user", content: "word ".repeat(9000) }] });
} catch (error) {
  seen.errors.length = [error instanceof BadRequestError, error.status, error.code];
}

const stream = await client.chat.completions.create({ ...greedy, stream: true, max_tokens: 900, ignore_eos: true });
let chunks = 0;
for await (const chunk of stream) {
  chunks += 1;
  if (chunks === 5) stream.controller.abort();
}
seen.chunksBeforeAbort = chunks;
const controller = new AbortController();
const asking = client.chat.completions.create({ ...greedy, max_tokens: 900 }, { signal: controller.signal });
setTimeout(() => controller.abort(), 50);
seen.aborted = await asking.then(() => false, (error) => error instanceof APIUserAbortError);

console.log(JSON.stringify(seen));
