/** A number as Go prints a float64 with `%v`: shortest form, an exponent from 1e21 up and below 1e-4. */
export function printNumber(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e21)) return goExponent(value.toExponential());
  return Object.is(value, -0) ? '-0' : String(value);
}

/** `%.4g` of Go: four significant digits, no trailing zeros. */
function printShort(value: number): string {
  if (!Number.isFinite(value)) return printNumber(value);
  if (value === 0) return '0';
  const [mantissa = '', exponent = '0'] = significant(value, 4).split('e');
  const power = Number(exponent);
  if (power < -4 || power >= 4) return goExponent(`${Number(mantissa)}e${exponent}`);
  return String(Number(`${mantissa}e${exponent}`));
}

/** `digits` significant digits, as an exponent form. Go rounds an exact half to the even digit, JavaScript away from zero. */
function significant(value: number, digits: number): string {
  const [mantissa = '', exponent = '0'] = value.toExponential(100).split('e');
  // Sign, one digit, the point, the others.
  const length = (value < 0 ? 1 : 0) + 1 + digits;
  return isTieAfterEven(mantissa, length)
    ? `${mantissa.slice(0, length)}e${exponent}`
    : value.toExponential(digits - 1);
}

/** `digits` digits behind the point, an exact half rounded to the even digit. */
function fixed(value: number, digits: number): string {
  const exact = value.toFixed(100);
  const length = exact.indexOf('.') + 1 + digits;
  if (!isTieAfterEven(exact, length)) return value.toFixed(digits);
  return digits === 0 ? exact.slice(0, length - 1) : exact.slice(0, length);
}

/** Whether what follows the first `length` characters is exactly a half, and the digit before it is even. */
function isTieAfterEven(exact: string, length: number): boolean {
  return /[02468]\.?$/.test(exact.slice(0, length)) && /^50*$/.test(exact.slice(length));
}

/** Go writes at least two digits of exponent: `1e+06`. */
function goExponent(text: string): string {
  return text.replace(/e([+-])(\d)$/, 'e$10$2');
}

/** Prometheus' `humanize`: metric prefixes, four digits: 1234 is `1.234k`. */
export function humanize(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return printShort(value);
  let rest = value;
  let prefix = '';
  if (Math.abs(value) >= 1) {
    for (const next of ['k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y']) {
      if (Math.abs(rest) < 1000) break;
      prefix = next;
      rest /= 1000;
    }
  } else {
    for (const next of ['m', 'u', 'n', 'p', 'f', 'a', 'z', 'y']) {
      if (Math.abs(rest) >= 1) break;
      prefix = next;
      rest *= 1000;
    }
  }
  return `${printShort(rest)}${prefix}`;
}

/** Prometheus' `humanizePercentage`: 0.123 is `12.3%`. */
export function humanizePercentage(value: number): string {
  return `${printShort(value * 100)}%`;
}

/** Prometheus' `humanizeDuration`: seconds as `1d 2h 3m 4s`, `1.5s`, `150ms`. */
export function humanizeDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return printShort(seconds);
  if (seconds === 0) return '0s';
  const sign = seconds < 0 ? '-' : '';
  const size = Math.abs(seconds);
  if (size < 1) return humanizeFraction(seconds);
  const whole = Math.trunc(size);
  const s = whole % 60;
  const m = Math.floor(whole / 60) % 60;
  const h = Math.floor(whole / 3_600) % 24;
  const d = Math.floor(whole / 86_400);
  if (d > 0) return `${sign}${d}d ${h}h ${m}m ${s}s`;
  if (h > 0) return `${sign}${h}h ${m}m ${s}s`;
  if (m > 0) return `${sign}${m}m ${s}s`;
  return `${printShort(seconds)}s`;
}

function humanizeFraction(seconds: number): string {
  let rest = seconds;
  let prefix = '';
  for (const next of ['m', 'u', 'n', 'p', 'f', 'a', 'z', 'y']) {
    if (Math.abs(rest) >= 1) break;
    prefix = next;
    rest *= 1000;
  }
  return `${printShort(rest)}${prefix}s`;
}

/** `printf` with one verb: `%v`, `%s`, `%d`, `%f`, `%.2f`, `%g`, `%%`. Throws `SyntaxError` for another. */
export function printWith(format: string, value: string | number): string {
  return format.replaceAll(/%(?:\.(\d+))?(.)/g, (verbText, precision: string | undefined, verb: string) => {
    if (verb === '%') return '%';
    if (verb === 'v' || verb === 's') return typeof value === 'number' ? printNumber(value) : value;
    const number = Number(value);
    if (!Number.isFinite(number)) return printNumber(number);
    if (verb === 'f') return fixed(number, precision === undefined ? 6 : Number(precision));
    if (verb === 'd') return String(Math.trunc(number));
    if (verb === 'g')
      return precision === undefined ? printNumber(number) : String(Number(number.toPrecision(Number(precision))));
    throw new SyntaxError(`printf: no verb \`${verbText}\`; there are %v, %s, %d, %f and %g`);
  });
}
