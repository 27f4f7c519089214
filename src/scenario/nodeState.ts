/**
 * `starting`: a process runs, its routes do not answer yet. `up`: they do. `stopping`: told to end. `stopped`: ended as
 * told, or never started. `crashed`: killed or lost power. `exited`: ended by itself (`exit` has code and message).
 */
export type NodeState = 'starting' | 'up' | 'stopping' | 'stopped' | 'crashed' | 'exited';
