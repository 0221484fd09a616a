"use strict";
// Plotly's code, raw deflate in base64, is unpacked and run here (RFC 1951): nothing waits, and every browser can.
function inflate(bytes, size) {
  const out = new Uint8Array(size);
  let [at, put, held, bits] = [0, 0, 0, 0];
  const need = (count) => {
    for (; bits < count; bits += 8) held |= bytes[at++] << bits;
  };
  const drop = (count) => {
    held >>>= count;
    bits -= count;
  };
  const take = (count) => {
    need(count);
    const value = held & ((1 << count) - 1);
    drop(count);
    return value;
  };
  // every run of `most` bits leads to a symbol, and in the low four bits to the length of its code
  const coded = (lengths) => {
    const most = Math.max(1, ...lengths);
    const [counts, next, found] = [new Uint16Array(16), new Uint16Array(17), new Uint16Array(1 << most)];
    for (const length of lengths) if (length) counts[length] += 1;
    for (let length = 1; length < 16; length += 1) next[length + 1] = (next[length] + counts[length]) << 1;
    lengths.forEach((length, symbol) => {
      if (!length) return;
      let [code, turned] = [next[length], 0];
      next[length] += 1;
      for (let bit = 0; bit < length; bit += 1, code >>= 1) turned = (turned << 1) | (code & 1);
      for (; turned < found.length; turned += 1 << length) found[turned] = (symbol << 4) | length;
    });
    return { found, most };
  };
  const read = ({ found, most }) => {
    need(most);
    const entry = found[held & (found.length - 1)];
    drop(entry & 15);
    return entry >> 4;
  };
  const series = (start, step, count) => {
    const extras = Array.from({ length: count }, (_, index) => Math.max(0, Math.floor(index / step) - 1));
    const bases = extras.reduce((found, extra) => [...found, found.at(-1) + (1 << extra)], [start]);
    return { extras, bases };
  };
  const lengths = series(3, 4, 29);
  [lengths.extras[28], lengths.bases[28]] = [0, 258];
  const distances = series(1, 2, 30);
  const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
  const fixed = Array.from({ length: 288 }, (_, symbol) => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8));

  function codes() {
    const [literals, spans, own] = [take(5) + 257, take(5) + 1, take(4) + 4];
    const short = new Array(19).fill(0);
    for (let index = 0; index < own; index += 1) short[order[index]] = take(3);
    const code = coded(short);
    const all = [];
    while (all.length < literals + spans) {
      const symbol = read(code);
      if (symbol < 16) all.push(symbol);
      else {
        const value = symbol === 16 ? all.at(-1) : 0;
        const times = symbol === 16 ? 3 + take(2) : symbol === 17 ? 3 + take(3) : 11 + take(7);
        for (let time = 0; time < times; time += 1) all.push(value);
      }
    }
    return [coded(all.slice(0, literals)), coded(all.slice(literals))];
  }

  for (let last = 0; !last;) {
    last = take(1);
    const kind = take(2);
    if (kind === 0) {
      drop(bits & 7);
      const count = take(16);
      take(16);
      for (let index = 0; index < count; index += 1) out[put++] = take(8);
      continue;
    }
    const [literal, span] = kind === 1 ? [coded(fixed), coded(new Array(30).fill(5))] : codes();
    for (let symbol = read(literal); symbol !== 256; symbol = read(literal)) {
      if (symbol < 256) out[put++] = symbol;
      else {
        const length = lengths.bases[symbol - 257] + take(lengths.extras[symbol - 257]);
        const place = read(span);
        const from = put - distances.bases[place] - take(distances.extras[place]);
        for (let index = 0; index < length; index += 1) out[put++] = out[from + index];
      }
    }
  }
  return out;
}

// once, when the first figure is drawn
function unpack() {
  const [text, size] = packed;
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < bytes.length; index += 1) bytes[index] = binary.charCodeAt(index);
  const script = document.createElement("script");
  script.textContent = new TextDecoder().decode(inflate(bytes, size));
  document.head.append(script);
}
