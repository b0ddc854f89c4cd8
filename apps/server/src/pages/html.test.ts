import { expect, test } from 'vitest';
import { html, textOfHtml } from './html.ts';

test('what comes from elsewhere is text, in elements and in attributes', () => {
  const hostile = `"><script>alert('x')</script>&amp;`;
  const escaped = '&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;';
  expect(textOfHtml(html`<p title="${hostile}">${hostile}</p>`)).toBe(`<p title="${escaped}">${escaped}</p>`);
});

test('templates go into templates, and conditions that do not hold leave nothing', () => {
  const items = ['a', '<b>'].map((text) => html`<li>${text}</li>`);
  expect(textOfHtml(html`<i>${items}${null}${undefined}${false}${0}</i>`)).toBe('<i><li>a</li><li>&lt;b&gt;</li>0</i>');
});
