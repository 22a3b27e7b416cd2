// Metadata of a result, for the pictures that the browser makes of it: it says that they are made by AI.
const metadata = (() => {
  const XMP = "http://ns.adobe.com/xap/1.0/\0";
  const [APP0, APP2, APP14, COM] = [0xe0, 0xe2, 0xee, 0xfe];
  // JFIF, colour profile and colour transform describe the pixels of their own file.
  const isTold = (marker) => marker === COM || (marker > APP0 && marker < 0xf0 && marker !== APP2 && marker !== APP14);
  const bytesOf = async (blob) => new Uint8Array(await blob.arrayBuffer());
  const binary = (text) => Uint8Array.from(text, (each) => each.charCodeAt(0));

  // Segments of a JPEG before its picture: the marker, and the bytes with marker and length.
  const segments = (bytes) => {
    const found = [];
    let at = 2;
    while (bytes[at] === 0xff && (bytes[at + 1] === COM || (bytes[at + 1] & 0xf0) === APP0)) {
      const end = at + 2 + 256 * bytes[at + 2] + bytes[at + 3];
      found.push({ marker: bytes[at + 1], bytes: bytes.subarray(at, end) });
      at = end;
    }
    return found;
  };
  const told = async (jpeg) => segments(await bytesOf(jpeg)).filter(({ marker }) => isTold(marker));

  const crc = (bytes) => {
    let value = ~0;
    for (const each of bytes) {
      value ^= each;
      for (let i = 0; i < 8; i++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
    }
    return ~value;
  };
  const chunk = (kind, head, content) => {
    const body = new Uint8Array([...binary(kind + head), ...content]);
    const whole = new Uint8Array(body.length + 8);
    const numbers = new DataView(whole.buffer);
    numbers.setUint32(0, body.length - kind.length);
    whole.set(body, 4);
    numbers.setUint32(body.length + 4, crc(body));
    return whole;
  };
  return {
    // A JPEG with the metadata of another one.
    async jpeg(plain, from) {
      const bytes = await bytesOf(plain);
      const first = segments(bytes).find(({ marker }) => marker === APP0)?.bytes.length ?? 0;
      const added = (await told(from)).map((each) => each.bytes);
      return new Blob([bytes.subarray(0, 2 + first), ...added, bytes.subarray(2 + first)], { type: "image/jpeg" });
    },
    // A PNG with the metadata of a JPEG.
    async png(plain, from) {
      const bytes = await bytesOf(plain);
      const header = 33; // bytes of signature and IHDR
      const added = (await told(from)).map(({ marker, bytes: segment }) => {
        const content = segment.subarray(4);
        if (marker === COM) return chunk("tEXt", "Comment\0", content);
        const isXmp = binary(XMP).every((each, i) => each === content[i]);
        return isXmp ? chunk("iTXt", "XML:com.adobe.xmp\0\0\0\0\0", content.subarray(XMP.length)) : new Uint8Array();
      });
      return new Blob([bytes.subarray(0, header), ...added, bytes.subarray(header)], { type: "image/png" });
    },
  };
})();
