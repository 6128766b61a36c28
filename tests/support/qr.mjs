// Reads a QR code as a phone would: from the pixels that are drawn, not from what drew them.

import decodeQR from 'qr/decode.js';
import { until } from './wait.mjs';

/** The text of the QR code that `locator` shows on `page`, once it stands still. */
export function readQr(page, locator) {
  return until('a QR code that can be read', () => readOnce(page, locator), { timeout: 15_000 });
}

async function readOnce(page, locator) {
  const png = await locator.screenshot({ scale: 'css' });
  // The browser is the decoder of its own picture.
  const { width, height, data } = await page.evaluate(async (source) => {
    const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(source), (each) => each.codePointAt(0))], { type: 'image/png' }));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext('2d');
    context.drawImage(bitmap, 0, 0);
    return { width: bitmap.width, height: bitmap.height, data: [...context.getImageData(0, 0, bitmap.width, bitmap.height).data] };
  }, png.toString('base64'));
  return decodeQR({ width, height, data: Uint8Array.from(data) });
}
