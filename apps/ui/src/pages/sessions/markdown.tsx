import { memo } from 'react';
import ReactMarkdown from 'react-markdown';
import type { Components } from 'react-markdown';
import remarkGfm from 'remark-gfm';
import { markdownBlocks, settledTail } from './markdown-blocks.ts';

const PLUGINS = [remarkGfm];
const SAFE = /^(https?:|mailto:|#|\/(?!\/))/i;

/** Nothing that an agent wrote may be more than text, a link to somewhere else, or a picture from the web. */
const COMPONENTS: Components = {
  a: ({ href, children }) =>
    href !== undefined && SAFE.test(href) ? (
      <a href={href} target="_blank" rel="noopener noreferrer nofollow">
        {children}
      </a>
    ) : (
      <span>{children}</span>
    ),
  img: ({ src, alt }) =>
    typeof src === 'string' && /^https?:/i.test(src) ? (
      <img src={src} alt={alt ?? ''} loading="lazy" referrerPolicy="no-referrer" />
    ) : (
      <span>{alt}</span>
    ),
  pre: ({ children }) => (
    // It can be scrolled with the keyboard.
    <pre tabIndex={0}>{children}</pre>
  ),
  table: ({ children }) => (
    <div className="overflow-x-auto" tabIndex={0} role="region" aria-label="Table">
      <table>{children}</table>
    </div>
  ),
};

const LOOK = [
  'min-w-0 leading-relaxed break-words [&>*+*]:mt-3',
  '[&_h1]:text-lg [&_h1]:font-semibold [&_h2]:text-base [&_h2]:font-semibold [&_h3]:font-semibold [&_h4]:font-semibold',
  '[&_a]:text-accent [&_a]:underline [&_a]:underline-offset-2',
  '[&_ul]:list-disc [&_ul]:pl-5 [&_ol]:list-decimal [&_ol]:pl-5 [&_li+li]:mt-1 [&_li>*+*]:mt-2',
  '[&_blockquote]:border-l-2 [&_blockquote]:border-line-strong [&_blockquote]:pl-3 [&_blockquote]:text-ink-soft',
  '[&_code]:rounded [&_code]:bg-sunken [&_code]:px-1 [&_code]:py-0.5 [&_code]:font-mono [&_code]:text-[0.9em]',
  '[&_pre]:overflow-x-auto [&_pre]:rounded-lg [&_pre]:bg-sunken [&_pre]:p-3 [&_pre]:text-[13px] [&_pre_code]:bg-transparent [&_pre_code]:p-0',
  '[&_table]:border-collapse [&_table]:text-sm [&_td]:border [&_td]:border-line [&_td]:px-2.5 [&_td]:py-1.5 [&_th]:border [&_th]:border-line [&_th]:bg-sunken [&_th]:px-2.5 [&_th]:py-1.5 [&_th]:text-left',
  '[&_img]:max-h-96 [&_img]:max-w-full [&_img]:rounded-lg [&_hr]:border-line',
].join(' ');

/** A text of a model. While it is being written only its last block is read again. */
export function Markdown({ text, isStreaming = false }: { text: string; isStreaming?: boolean }) {
  const blocks = markdownBlocks(text);
  return (
    <div className={LOOK}>
      {blocks.map((block, index) => (
        // Blocks are only added at the end.
        <Part key={index} text={isStreaming && index === blocks.length - 1 ? settledTail(block) : block} />
      ))}
    </div>
  );
}

const Part = memo(({ text }: { text: string }) => (
  <div className="[&>*+*]:mt-3">
    <ReactMarkdown remarkPlugins={PLUGINS} components={COMPONENTS}>
      {text}
    </ReactMarkdown>
  </div>
));
