// Reads a QR code as a phone would: from the pixels that are drawn, not from what drew them.

import decodeQR from 'qr/decode.js';
import { until } from './wait.mjs';

/** The text of the QR code that `locator` shows on `page`, once it stands still. */
export function readQr(page, locator) {
  return until('a QR code that can be read', () => readOnce(page, locator), { timeout: 15_000 });
}

/** The text of the QR code that stands in a program's output, drawn with half blocks, light modules on a dark ground. */
export function readPrintedQr(output) {
  const lines = output.split('\n').filter((line) => /^[█▀▄ ]{20,}$/.test(line));
  const scale = 4;
  const width = lines[0].length * scale;
  const height = lines.length * 2 * scale;
  const data = new Uint8Array(width * height * 4).fill(255);
  const isLight = (row, column) => (row % 2 === 0 ? '█▀' : '█▄').includes(lines[Math.floor(row / 2)][column]);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!isLight(Math.floor(y / scale), Math.floor(x / scale))) data.fill(0, (y * width + x) * 4, (y * width + x) * 4 + 3);
    }
  }
  return decodeQR({ width, height, data });
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
