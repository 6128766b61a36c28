// A worker thread that asks /v1/token with ever new wrong PINs, so that the attacker does not slow down the clock of the
// test that watches the device. workerData: { url, username, headers, count, parallel }; posts { status: count, ... }.

import http from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';

const { url, username, headers, count, parallel } = workerData;
const agent = new http.Agent({ keepAlive: true, maxSockets: parallel });
const answers = {};
let next = 0;

function ask(index) {
  return new Promise((resolve, reject) => {
    const authorization = `Basic ${Buffer.from(`${username}:guess-${index}`).toString('base64')}`;
    const request = http.request(`${url}/v1/token`, { method: 'POST', agent, headers: { ...headers, authorization, 'content-length': 0 } }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
    });
    request.on('error', reject).end();
  });
}

await Promise.all(Array.from({ length: parallel }, async () => {
  for (let index = next++; index < count; index = next++) {
    const status = await ask(index);
    answers[status] = (answers[status] ?? 0) + 1;
  }
}));
agent.destroy();
parentPort.postMessage(answers);
