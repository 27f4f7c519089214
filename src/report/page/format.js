// How numbers and times are written. Every script of the page hangs its functions on `hotfire`.
(() => {
  const hotfire = {};
  globalThis.hotfire = hotfire;

  /** Virtual milliseconds as a clock: 12:05, 1:02:03; with tenths when `tenths` is set. */
  hotfire.clock = (ms, tenths = false) => {
    const units = Math.round(ms / 100);
    const hours = Math.floor(units / 36_000);
    const minutes = Math.floor(units / 600) % 60;
    const seconds = Math.floor((units % 600) / 10);
    const two = (value) => String(value).padStart(2, '0');
    const head = hours > 0 ? `${hours}:${two(minutes)}` : String(minutes);
    return `${head}:${two(seconds)}${tenths ? `.${units % 10}` : ''}`;
  };

  /** A clock with as many digits after the second as a window of `lengthMs` needs to tell its moments apart. */
  hotfire.fineClock = (ms, lengthMs) => {
    const digits = Math.min(6, Math.max(0, Math.ceil(5 - Math.log10(Math.max(lengthMs, 1e-4)))));
    const unit = 10 ** digits;
    const units = Math.round((ms / 1_000) * unit);
    const seconds = Math.floor(units / unit);
    const rest = digits > 0 ? `.${String(units - seconds * unit).padStart(digits, '0')}` : '';
    return `${hotfire.clock(seconds * 1_000)}${rest}`;
  };

  /** A tick of an axis whose ticks are `stepMs` apart, without needless digits. */
  hotfire.tickText = (ms, stepMs) => {
    if (stepMs >= 1_000) return hotfire.clock(ms);
    const text = hotfire.fineClock(ms, stepMs * 100);
    return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
  };

  /** A span of milliseconds in words that fit its size. */
  hotfire.span = (ms) => {
    if (ms < 1) return `${Number((ms * 1_000).toPrecision(3))} µs`;
    if (ms < 1_000) return `${Number(ms.toPrecision(3))} ms`;
    if (ms < 60_000) return `${Number((ms / 1_000).toFixed(1))} s`;
    const seconds = Math.round(ms / 1_000);
    const hours = Math.floor(seconds / 3_600);
    const minutes = Math.floor(seconds / 60) % 60;
    if (hours > 0) return minutes > 0 ? `${hours} h ${minutes} min` : `${hours} h`;
    return seconds % 60 > 0 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  };

  hotfire.count = (value) => value.toLocaleString('en-US');

  const scaled = (value, step, prefixes) => {
    let rest = value;
    let prefix = 0;
    while (Math.abs(rest) >= step && prefix < prefixes.length - 1) {
      rest /= step;
      prefix += 1;
    }
    return `${Number(rest.toPrecision(3))}${prefixes[prefix]}`;
  };

  /** A value of a chart with its unit. */
  hotfire.quantity = (value, unit) => {
    if (value === null || value === undefined) return '–';
    if (unit === 'seconds') return value === 0 ? '0' : hotfire.span(value * 1_000);
    if (unit === 'milliseconds') return value === 0 ? '0' : hotfire.span(value);
    if (unit === 'ratio') return `${Number((value * 100).toPrecision(3))} %`;
    if (unit === 'bytes') return scaled(value, 1_024, [' B', ' KiB', ' MiB', ' GiB', ' TiB']);
    const short =
      Math.abs(value) < 10_000 ? String(Number(value.toPrecision(4))) : scaled(value, 1_000, ['', 'k', 'M', 'G', 'T']);
    return unit === 'per-second' ? `${short}/s` : short;
  };
})();
