// The hot part of the browsers, in a process of their own: each asks the relay's callback on a connection it has already, as
// a browser has that was at the relay's page a moment ago, and takes the 303 to the office.
//
// From the parent: {warm: {relay, office, ca, count}}, then {go: [{url, relayCookie, officeCookie}]}. To the parent: {warmed: true},
// then {done: [{left, redirected, answered}]}, milliseconds since 1970.

import http from 'node:http';
import https from 'node:https';

let relayAgent;
let officeAgent;
const now = () => performance.timeOrigin + performance.now();

function get(url, agent, headers) {
  return new Promise((resolve, reject) => {
    (url.startsWith('https:') ? https : http).get(url, { agent, headers }, (response) => {
      response.resume().on('end', () => resolve(response));
    }).on('error', reject);
  });
}

async function follow({ url, relayCookie, officeCookie }) {
  const left = now();
  const first = await get(url, relayAgent, { cookie: relayCookie });
  const redirected = now();
  if (first.statusCode !== 303) throw new Error(`the relay answers ${first.statusCode}`);
  const second = await get(first.headers.location, officeAgent, { cookie: officeCookie });
  if (second.statusCode !== 303) throw new Error(`the office answers ${second.statusCode}`);
  return { left, redirected, answered: now() };
}

process.on('message', async ({ warm, go }) => {
  if (warm) {
    relayAgent = new https.Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: warm.count, ca: warm.ca });
    officeAgent = new http.Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: warm.count });
    await Promise.all(Array.from({ length: warm.count }, () => Promise.all([get(`${warm.relay}/healthz`, relayAgent), get(`${warm.office}/healthz`, officeAgent)])));
    process.send({ warmed: true });
  } else {
    process.send({ done: await Promise.all(go.map(follow)) });
  }
});
