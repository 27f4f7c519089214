import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { RunRecord } from '../scenario/runRecord.ts';
import { pageData } from './pageData.ts';
import { titleWithPlanted } from './story.ts';

/** The page's scripts, in the order in which they build on each other. */
const SCRIPTS = [
  'format.js',
  'dom.js',
  'timeWindow.js',
  'observed.js',
  'waterfall.js',
  'operationDetail.js',
  'guilt.js',
  'diagram/layout.js',
  'diagram/scene.js',
  'diagram/drawLanes.js',
  'diagram/drawMessages.js',
  'diagram/drawOperations.js',
  'diagram/items.js',
  'diagram/details.js',
  'diagram/search.js',
  'diagram/filter.js',
  'diagram/gestures.js',
  'diagram/order.js',
  'diagram/legend.js',
  'diagram/section.js',
  'chartData.js',
  'chartPlugins.js',
  'charts.js',
  'lanes.js',
  'virtualList.js',
  'explorer.js',
  'timeline.js',
  'logs.js',
  'history.js',
  'linearization.js',
  'faultLog.js',
  'reproduce.js',
  'tables.js',
  'main.js',
];

/** Its styles; the one for narrow screens goes last, over the others. */
const STYLES = [
  'palette.css',
  'base.css',
  'story.css',
  'charts.css',
  'controls.css',
  'timeline.css',
  'diagram.css',
  'narrow.css',
  'print.css',
];

/** The report of a run as one HTML file that needs nothing else: styles, scripts, uPlot and the data are in it. */
export function htmlPage(record: RunRecord): string {
  const asset = (name: string) => readFileSync(join(import.meta.dirname, 'page', name), 'utf8');
  const uplot = dirname(createRequire(import.meta.url).resolve('uplot'));
  const styles = `${readFileSync(join(uplot, 'uPlot.min.css'), 'utf8')}\n${STYLES.map(asset).join('\n')}`;
  const parts: Readonly<Record<string, string>> = {
    title: `<title>${escapeHtml(`${record.verdict}: ${titleWithPlanted(record)}`)}</title>`,
    styles: `<style>\n${styles}</style>`,
    data: `<script type="application/gzip;base64" id="run">${packed(pageData(record))}</script>`,
    library: `<script>\n${readFileSync(join(uplot, 'uPlot.iife.min.js'), 'utf8')}</script>`,
    scripts: `<script>\n${SCRIPTS.map(asset).join('\n')}</script>`,
  };
  return asset('template.html').replaceAll(
    /<!-- (\w+) -->/g,
    (placeholder, name: string) => parts[name] ?? placeholder,
  );
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** Compressed JSON: a sixth to a fifth of its length, and without a character that could end the element that it stands in. */
function packed(data: unknown): string {
  return gzipSync(JSON.stringify(data)).toString('base64');
}
