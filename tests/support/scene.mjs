// The usual scene of a process test: a scripted provider, a server that may reach it, its app, and one OAuth user.

import { Latchkey } from './latchkey.mjs';
import { freePort } from './ports.mjs';
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
