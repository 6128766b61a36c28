// A provider file of the operator's own (DATA/providers/*.json) for a scripted provider, one type per way of behaving.

/**
 * types: id → members that replace the defaults (replay, grace_s, rotation, polling_time_s, ...). members: of the provider.
 * Endpoints come from discovery at the app's issuer.
 */
export function providerFile({ id = 'scripted', types, ...members }) {
  return {
    schema: 1, id, name: `Scripted (${id})`, seen_on: '2026-11-23',
    parameters: [{ name: 'issuer', label: 'Issuer', kind: 'url', owner: 'app', required: true, hint: 'The address of the scripted provider.' }],
    endpoints: { issuer: '{issuer}' },
    discovery: '{issuer}/.well-known/openid-configuration',
    endpoints_from_discovery: true,
    client_authentication: ['client_secret_basic'],
    redirect: { https_required: false, http_localhost: true },
    revocation: { shape: 'form', token: 'refresh_token' },
    account: { source: 'request', id: ['sub'], name: ['email'] },
    steps: [{ text: 'One.' }, { text: 'Two.' }, { text: 'Three.' }],
    ...members,
    types: Object.entries(types).map(([type, changes]) => ({
      id: type, name: `Scripted ${type}`, kind: 'generic',
      scopes: {
        request: [{ scope: 'openid', why: 'to know whose account it is' }],
        refresh: [{ scope: 'offline_access', why: 'to keep the access alive' }],
      },
      rotation: 'single_use', replay: 'revokes_family', ...changes,
    })),
  };
}
