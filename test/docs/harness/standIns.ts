/**
 * Programs of the machine that the runbooks name and a test must not run, or cannot: each does nothing, and prints as much as
 * the command lines around it need. What is not here and not on the machine fails the block.
 */
export const standIns: Readonly<Record<string, string>> = {
  aws: 'echo "{}"',
  dmesg: ':',
  // What they are told to read must be there.
  docker: '[ "$1 $2" = "build -f" ] && test -f "$3"',
  hdparm: 'echo " write-caching =  1 (on)"',
  iostat: 'echo "Device r/s w/s %util"',
  iotop: 'echo "Total DISK READ: 0.00 B/s"',
  // A job that is asked for has failed, as with a finding: nobody may wait for ever.
  kubectl: 'case "$1" in apply) test -f "$3" ;; get) echo "FailureTarget Failed" ;; esac',
  mount: '[ $# -gt 0 ] || echo "/dev/sdb on $STEMEDB_WAL_DIR type ext4 (rw,relatime)"',
  mountpoint: 'echo "$1 is a mountpoint"',
  smartctl:
    'printf "SMART overall-health self-assessment test result: PASSED\\n  5 Reallocated_Sector_Ct 0\\n197 Current_Pending_Sector 0\\n"',
  systemctl: 'echo "systemctl $*" > /dev/null',
  umount: ':',
  // Shows once what it would show again and again.
  watch: 'while case "$1" in -*|[0-9]*) true;; *) false;; esac; do shift; done; exec bash -o pipefail -c "$*"',
};
