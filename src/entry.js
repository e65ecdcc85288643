// What Cloudflare calls. worker-build's own entry stands behind three proxies for each request; this one calls
// its handlers directly, and has it start the instance anew where one has panicked, as it does itself.

import Entrypoint from "../build/index.js";

const state = globalThis.__worker_init_state;
const { prototype } = Entrypoint;

async function run(handler, argument, env, ctx) {
  if (state.criticalError) new Entrypoint(ctx, env);
  try {
    return await prototype[handler].call({ env, ctx }, argument);
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) state.criticalError = true;
    throw error;
  }
}

export default {
  fetch: (request, env, ctx) => run("fetch", request, env, ctx),
  queue: (batch, env, ctx) => run("queue", batch, env, ctx),
  scheduled: (event, env, ctx) => run("scheduled", event, env, ctx),
};
