#!/bin/bash
# vm.sh OUTDIR: boots the lab's kernel once. OUTDIR/job is run as root inside, where OUTDIR is /out.
set -euo pipefail
lab=${LAB:-$(dirname "$(readlink -f "$0")")}
work=${LAB_WORK:-$HOME/.cache/lvs-lab}/${LAB_KERNEL:-linux-image-amd64}
out=$(readlink -f "$1")
[[ -e $work/vmlinuz ]] || "$lab/setup" >&2
cp "$lab/guest-init" "$out/guest-init"
chmod +x "$out/guest-init"
echo "$work/modules" >"$out/modules-path"
read -ra accelerator <<<"${ACCEL:--accel tcg,thread=multi}"
# The machine ends with the timeout, and that with whoever started it.
# no_timer_check: on a busy host an emulated timer may miss the test that the kernel makes of it at boot.
exec timeout "${T:-600}" setpriv --pdeathsig KILL qemu-system-x86_64 "${accelerator[@]}" -cpu "${CPU:-max}" -smp "${SMP:-2}" -m "${M:-2048}" \
  -nographic -nodefaults -no-reboot -serial "file:$out/console.log" -kernel "$work/vmlinuz" -initrd "$work/initrd.gz" \
  -append "console=ttyS0 panic=-1 quiet mitigations=off no_timer_check ${APPEND:-}" \
  -fsdev local,id=h,path=/,security_model=none,readonly=on,multidevs=remap -device virtio-9p-pci,fsdev=h,mount_tag=host \
  -fsdev local,id=o,path="$out",security_model=none -device virtio-9p-pci,fsdev=o,mount_tag=out
