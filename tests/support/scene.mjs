// The usual scene of a process test: a scripted provider, a server that may reach it, its app, and one OAuth user.

import { Latchkey } from './latchkey.mjs';
import { freePort } from './ports.mjs';
import { providerFile } from './provider_file.mjs';
import { ScriptedProvider } from './scripted_provider.mjs';

export const pin = 'Grüße-42 an alle';

/** { provider, server, admin }: started, set up, app `oidc` registered for the provider. */
export async function serverWithProvider(t, { provider: providerOptions = {}, config = {}, providerFiles, ...options } = {}) {
  const provider = await ScriptedProvider.start(t, { port: await freePort(), ...providerOptions });
  const allow = [`127.0.0.1:${provider.port}`, ...(config['outbound.allow'] ?? [])];
  const server = await Latchkey.ready(t, {
    ...options, providerFiles: providerFiles?.(provider), config: { 'log.level': 'debug', ...config, 'outbound.allow': allow },
  });
  const admin = server.admin;
  await admin.registerOidc({ issuer: provider.issuer, clientId: provider.clientId, clientSecret: provider.clientSecret });
  return { provider, server, admin };
}

/** serverWithProvider plus one OAuth user `printer-1` of the type oidc, authorised: adds { user_id, grant_id }. */
export async function authorisedUser(t, options = {}) {
  const scene = await serverWithProvider(t, options);
  const { user_id, grant_id } = await scene.admin.addOAuthUser({ username: 'printer-1', pin, type: 'oidc' });
  return { ...scene, user_id, grant_id };
}

/**
 * A user whose type follows the rules of an own provider file: `type` (replay, grace_s, ...) and `file` (members of the
 * provider) go there, `provider` to the scripted provider.
 */
export async function userUnderRules(t, { type = {}, file = {}, provider: providerOptions = {}, ...options } = {}) {
  const scene = await serverWithProvider(t, {
    provider: { rotation: 'single-use', ...providerOptions },
    providerFiles: () => ({ 'scripted.json': providerFile({ types: { 'scripted-type': type }, ...file }) }),
    ...options,
  });
  const { provider, admin } = scene;
  await admin.registerOidc({ app: 'scripted', provider: 'scripted', issuer: provider.issuer, clientId: provider.clientId, clientSecret: provider.clientSecret });
  const { user_id, grant_id } = await admin.addOAuthUser({ username: 'printer-1', pin, type: 'scripted-type' });
  return { ...scene, user_id, grant_id };
}
