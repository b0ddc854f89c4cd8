import { expect, it } from 'vitest';
import { fileTree, sizeText } from './file-tree.ts';
import type { FileNode, FileEntry } from './file-tree.ts';

const file = (path: string, is_directory = false): FileEntry => ({ path, name: path.split('/').at(-1) ?? '', is_directory, size_bytes: 1 });
const outline = (nodes: FileNode<FileEntry>[]): unknown[] =>
  nodes.map(({ name, children }) => (children.length === 0 ? name : [name, outline(children)]));

it('makes a tree of paths, directories first', () => {
  expect(outline(fileTree([file('/b.txt'), file('/src/z.ts'), file('/src/lib/a.ts'), file('/a.txt')]))).toEqual([
    ['src', [['lib', ['a.ts']], 'z.ts']],
    'a.txt',
    'b.txt',
  ]);
});

it('keeps empty directories, and takes paths with and without a slash', () => {
  expect(outline(fileTree([file('empty', true), file('src/a.ts'), file('/src', true)]))).toEqual([['src', ['a.ts']], 'empty'].toReversed());
});

it('tells sizes as people do', () => {
  expect([0, 512, 1_536, 1_048_576].map(sizeText)).toEqual(['0 B', '512 B', '1.5 KB', '1.0 MB']);
});
