/**
 * The footer of a pack: offset u32 of each record, then first LSN u64, last LSN u64, first wall u64, last wall u64,
 * SHA-256 of everything before it 32 B, crc u32 of the footer so far, magic 8 B.
 */
export const footerTailBytes = 76;
/** "HFJPACK1" */
export const packMagic: Uint8Array = new TextEncoder().encode('HFJPACK1');
