export function readmeBlock(heading: string): string;
