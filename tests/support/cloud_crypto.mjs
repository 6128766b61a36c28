// The Cloud Service's cryptography a second time, for an office that misbehaves: XChaCha20-Poly1305 that commits to its key
// (keyed BLAKE2b), X25519, HKDF. Only what Node's own crypto lacks is written out.

import { createCipheriv, createDecipheriv, createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, hkdfSync, randomBytes, sign } from 'node:crypto';

// --- HChaCha20 (draft-irtf-cfrg-xchacha-03 section 2.2) ---

const rotate = (value, by) => ((value << by) | (value >>> (32 - by))) >>> 0;

function quarterRound(x, a, b, c, d) {
  x[a] = (x[a] + x[b]) >>> 0; x[d] = rotate(x[d] ^ x[a], 16);
  x[c] = (x[c] + x[d]) >>> 0; x[b] = rotate(x[b] ^ x[c], 12);
  x[a] = (x[a] + x[b]) >>> 0; x[d] = rotate(x[d] ^ x[a], 8);
  x[c] = (x[c] + x[d]) >>> 0; x[b] = rotate(x[b] ^ x[c], 7);
}

function hchacha20(key, nonce) {
  const x = new Uint32Array([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, ...Array.from({ length: 8 }, (_, i) => key.readUInt32LE(4 * i)), ...Array.from({ length: 4 }, (_, i) => nonce.readUInt32LE(4 * i))]);
  for (let round = 0; round < 10; round++) {
    for (const [a, b, c, d] of [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15], [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]]) quarterRound(x, a, b, c, d);
  }
  const out = Buffer.alloc(32);
  [0, 1, 2, 3, 12, 13, 14, 15].forEach((from, i) => out.writeUInt32LE(x[from], 4 * i));
  return out;
}

function xchacha20poly1305(key, nonce, plain) {
  const cipher = createCipheriv('chacha20-poly1305', hchacha20(key, nonce.subarray(0, 16)), Buffer.concat([Buffer.alloc(4), nonce.subarray(16)]), { authTagLength: 16 });
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function openXchacha20poly1305(key, nonce, sealed, bound) {
  const decipher = createDecipheriv('chacha20-poly1305', hchacha20(key, nonce.subarray(0, 16)), Buffer.concat([Buffer.alloc(4), nonce.subarray(16)]), { authTagLength: 16 });
  const end = sealed.length - 16;
  decipher.setAAD(bound, { plaintextLength: end });
  decipher.setAuthTag(sealed.subarray(end));
  return Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()]);
}

// --- BLAKE2b with a key, one block of message (RFC 7693) ---

const kIv = [0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n, 0x510e527fade682d1n, 0x9b05688c2b3e6c1fn, 0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n];
const kRows = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4], [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13], [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11], [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5], [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];
const kMask = (1n << 64n) - 1n;
const rotateRight = (value, by) => ((value >> by) | (value << (64n - by))) & kMask;

function compress(h, block, counted, last) {
  const m = Array.from({ length: 16 }, (_, i) => block.readBigUInt64LE(8 * i));
  const v = [...h, ...kIv];
  v[12] ^= BigInt(counted);
  if (last) v[14] ^= kMask;
  const mix = (a, b, c, d, x, y) => {
    v[a] = (v[a] + v[b] + x) & kMask; v[d] = rotateRight(v[d] ^ v[a], 32n);
    v[c] = (v[c] + v[d]) & kMask; v[b] = rotateRight(v[b] ^ v[c], 24n);
    v[a] = (v[a] + v[b] + y) & kMask; v[d] = rotateRight(v[d] ^ v[a], 16n);
    v[c] = (v[c] + v[d]) & kMask; v[b] = rotateRight(v[b] ^ v[c], 63n);
  };
  for (let round = 0; round < 12; round++) {
    const s = kRows[round % 10];
    [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15], [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]]
      .forEach(([a, b, c, d], i) => mix(a, b, c, d, m[s[2 * i]], m[s[2 * i + 1]]));
  }
  return h.map((each, i) => each ^ v[i] ^ v[i + 8]);
}

/** BLAKE2b-512 with a key of up to 64 octets over at most 128 octets. */
export function keyedBlake2b512(key, message) {
  let h = [...kIv];
  h[0] ^= 0x01010000n ^ (BigInt(key.length) << 8n) ^ 64n;
  const padded = (part) => Buffer.concat([part, Buffer.alloc(128 - part.length)]);
  h = compress(h, padded(key), 128, false);
  h = compress(h, padded(message), 128 + message.length, true);
  const out = Buffer.alloc(64);
  h.forEach((each, i) => out.writeBigUInt64LE(each, 8 * i));
  return out;
}

// --- keys and envelopes (src/cloud/party.h, src/cloud/envelope.h) ---

const raw = (key) => Buffer.from(key.export({ format: 'jwk' }).x, 'base64url');

/** An office's two pairs; `text` is what is sent of them. */
export function makeParty() {
  const signing = generateKeyPairSync('ed25519');
  const sealing = generateKeyPairSync('x25519');
  return { signing, sealing, octets: Buffer.concat([raw(signing.publicKey), raw(sealing.publicKey)]) };
}
export const signWith = (party, octets) => sign(null, octets, party.signing.privateKey);
export const textOf = (octets) => octets.toString('base64url');

/** Sealed to an X25519 public half for a purpose, bound to nothing. */
export function sealTo(recipient, purpose, plain) {
  const ephemeral = generateKeyPairSync('x25519');
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: recipient.toString('base64url') }, format: 'jwk' });
  const shared = diffieHellman({ privateKey: createPrivateKey(ephemeral.privateKey.export({ format: 'pem', type: 'pkcs8' })), publicKey });
  const point = raw(ephemeral.publicKey);
  const key = Buffer.from(hkdfSync('sha256', shared, Buffer.concat([point, recipient]), `latchkey cloud 1 ${purpose}`, 32));
  const nonce = randomBytes(24);
  const derived = keyedBlake2b512(key, Buffer.concat([Buffer.from('latchkey commit 1'), nonce]));
  return Buffer.concat([Buffer.from([1]), point, nonce, derived.subarray(32), xchacha20poly1305(derived.subarray(0, 32), nonce, plain)]);
}

/** What somebody has sealed to this party for a purpose, bound to those octets; throws when it is not so. */
export function openEnvelope(party, purpose, bound, sealed) {
  const [point, nonce, check] = [sealed.subarray(1, 33), sealed.subarray(33, 57), sealed.subarray(57, 89)];
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: point.toString('base64url') }, format: 'jwk' });
  const shared = diffieHellman({ privateKey: createPrivateKey(party.sealing.privateKey.export({ format: 'pem', type: 'pkcs8' })), publicKey });
  const key = Buffer.from(hkdfSync('sha256', shared, Buffer.concat([point, raw(party.sealing.publicKey)]), `latchkey cloud 1 ${purpose}`, 32));
  const derived = keyedBlake2b512(key, Buffer.concat([Buffer.from('latchkey commit 1'), nonce]));
  if (!derived.subarray(32).equals(check)) throw new Error('sealed to another key, or for another purpose');
  return openXchacha20poly1305(derived.subarray(0, 32), nonce, sealed.subarray(89), Buffer.from(bound));
}
