// Reads a QR code as a phone would: from the pixels that are drawn, not from what drew them.

import decodeQR from 'qr/decode.js';

/** The text of the QR code that `locator` shows on `page`, light or dark. */
export async function readQr(page, locator) {
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
