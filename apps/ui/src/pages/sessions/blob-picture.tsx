import { useCallback } from 'react';

interface BlobPictureProps {
  base64: string;
  mediaType: string;
  name: string;
  className: string;
}

/** A picture that came as text. It is shown from memory, as nothing but a picture. */
export function BlobPicture({ base64, mediaType, name, className }: BlobPictureProps) {
  const show = useCallback(
    (image: HTMLImageElement | null) => {
      if (image === null) return undefined;
      const address = addressOf(base64, mediaType);
      image.src = address;
      return () => URL.revokeObjectURL(address);
    },
    [base64, mediaType],
  );
  return <img ref={show} alt={name} className={className} />;
}

function addressOf(base64: string, type: string): string {
  try {
    return URL.createObjectURL(new Blob([Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))], { type }));
  } catch {
    return ''; // not base64: nothing is shown but its name
  }
}
