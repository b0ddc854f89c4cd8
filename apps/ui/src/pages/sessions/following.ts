import { useLayoutEffect, useRef, useState } from 'react';
import type { RefObject, UIEvent } from 'react';

const NEAR_END_PX = 80;

interface Following<E extends HTMLElement> {
  /** What is scrolled. */
  frame: RefObject<E | null>;
  isAtEnd: boolean;
  onScroll: (event: UIEvent<HTMLElement>) => void;
  toEnd: () => void;
}

/**
 * Keeps the end of a list in sight while it grows, until somebody scrolls up; at the end again it goes on. The list is the only child of what
 * is scrolled.
 */
export function useFollowing<E extends HTMLElement>(hasRows: boolean): Following<E> {
  const frame = useRef<E>(null);
  const follows = useRef(true);
  const lastTop = useRef(0);
  const [isAtEnd, setAtEnd] = useState(true);
  useLayoutEffect(() => {
    const element = frame.current;
    const list = element?.firstElementChild;
    if (!hasRows || element === null || list === null || list === undefined) return;
    const stay = (): void => {
      if (follows.current) element.scrollTop = element.scrollHeight;
    };
    const observer = new ResizeObserver(stay);
    observer.observe(list);
    observer.observe(element);
    stay();
    return () => observer.disconnect();
  }, [hasRows]);
  return {
    frame,
    isAtEnd,
    onScroll({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) {
      const isNear = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
      // What grew before this frame is no reason to stop: only going up is.
      if (isNear) follows.current = true;
      else if (scrollTop < lastTop.current - 1) follows.current = false;
      lastTop.current = scrollTop;
      setAtEnd(follows.current);
    },
    toEnd() {
      follows.current = true;
      setAtEnd(true);
      frame.current?.scrollTo({ top: frame.current.scrollHeight });
    },
  };
}
