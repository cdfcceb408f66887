/* Runs a program under what systemd puts around rsyslog.service, where no systemd is running:

     hardened UNIT [KEEP..] -- PROGRAM [ARGUMENT..]

   UNIT is debian-13 (rsyslog 8.2504.0-1) or ubuntu-24.04 (rsyslog 8.2312.0-3ubuntu9). In their rsyslog.service both have
   SystemCallFilter=@system-service, RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX, NoNewPrivileges, LimitNOFILE and a
   CapabilityBoundingSet; Debian's has PrivateTmp, PrivateDevices, ProtectHome, ProtectSystem=full, ProtectKernelTunables and
   ProtectControlGroups as well. A system call outside of the filter ends the process with SIGSYS, as under systemd.

   KEEP are directories that stay visible, at their paths and writable: those of the test. Capabilities and mounts need root, and
   not every container allows its root to mount; what cannot be had is left out, which is said on standard error. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const int system_service[] = {
#include "system-service.h"
};

#define CAP(name) (1ULL << CAP_##name)
#define BOTH (CAP(BLOCK_SUSPEND) | CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(LEASE) | CAP(NET_ADMIN) | CAP(NET_BIND_SERVICE) | \
              CAP(SYS_ADMIN) | CAP(SYS_RESOURCE) | CAP(SYSLOG))

static const struct unit {
    const char *name;
    unsigned long long capabilities;
    int has_private_files;
} units[] = {
    { "debian-13", BOTH, 1 },
    { "ubuntu-24.04", BOTH | CAP(MAC_ADMIN) | CAP(SETGID) | CAP(SETUID), 0 },
};

static void fail(const char *what)
{
    fprintf(stderr, "hardened: %s: %s\n", what, strerror(errno));
    exit(3);
}

static void check(int result, const char *what)
{
    if (result == -1)
        fail(what);
}

static void make_directories(const char *path)
{
    char part[PATH_MAX];
    for (size_t end = 1; end <= strlen(path); end++)
        if (path[end] == '/' || path[end] == 0) {
            memcpy(part, path, end);
            part[end] = 0;
            if (mkdir(part, 0755) == -1 && errno != EEXIST)
                fail(part);
        }
}

/* An empty file system over a directory, if that is there. */
static void cover(const char *path, const char *options)
{
    if (access(path, F_OK) == 0)
        check(mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options), path);
}

static void make_read_only(const char *path)
{
    if (access(path, F_OK) != 0)
        return;
    check(mount(path, path, NULL, MS_BIND | MS_REC, NULL), path);
    check(mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), path);
}

static void private_devices(void)
{
    static const struct { const char *path; unsigned minor; } devices[] = {
        { "/dev/null", 3 }, { "/dev/zero", 5 }, { "/dev/full", 7 }, { "/dev/random", 8 }, { "/dev/urandom", 9 },
    };
    cover("/dev", "mode=0755");
    umask(0);
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        /* The file system above is nodev, as a guard for the others; this one needs devices. */
        check(mount(NULL, "/dev", NULL, MS_REMOUNT | MS_NOSUID, NULL), "/dev");
        check(mknod(devices[i].path, S_IFCHR | 0666, makedev(1, devices[i].minor)), devices[i].path);
    }
    umask(022);
    check(symlink("/proc/self/fd", "/dev/fd"), "/dev/fd");
    check(mount(NULL, "/dev", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID, NULL), "/dev");
}

static void private_files(char **keep, int count)
{
    int kept[64];
    check(count <= 64 ? 0 : -1, "too many directories to keep");
    if (unshare(CLONE_NEWNS) == -1 && errno == EPERM) {
        fprintf(stderr, "hardened: mounting is not allowed: without the unit's private files\n");
        return;
    }
    check(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), "/");
    for (int i = 0; i < count; i++)
        check(kept[i] = open(keep[i], O_PATH | O_DIRECTORY), keep[i]);

    cover("/tmp", "mode=1777");
    cover("/var/tmp", "mode=1777");
    cover("/home", "mode=0000");
    cover("/root", "mode=0000");
    cover("/run/user", "mode=0000");
    private_devices();
    /* ProtectSystem=full, ProtectKernelTunables and ProtectControlGroups. */
    const char *system[] = { "/usr", "/boot", "/efi", "/etc", "/proc/sys", "/sys" };
    for (size_t i = 0; i < sizeof system / sizeof *system; i++)
        make_read_only(system[i]);

    for (int i = 0; i < count; i++) {
        char descriptor[64];
        snprintf(descriptor, sizeof descriptor, "/proc/self/fd/%d", kept[i]);
        make_directories(keep[i]);
        check(mount(descriptor, keep[i], NULL, MS_BIND | MS_REC, NULL), keep[i]);
        close(kept[i]);
    }
}

static void limit_capabilities(unsigned long long allowed)
{
    for (int capability = 0; capability <= 63; capability++)
        if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1 && !(allowed >> capability & 1))
            check(prctl(PR_CAPBSET_DROP, capability, 0, 0, 0), "PR_CAPBSET_DROP");
}

static void filter_system_calls(void)
{
    enum { CALLS = sizeof system_service / sizeof *system_service };
    static struct sock_filter filter[2 * CALLS + 16];
    unsigned short length = 0;
#define ADD(...) filter[length++] = (struct sock_filter) __VA_ARGS__
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 6));
    /* The low half of the argument, whatever the byte order: address families are small. */
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct seccomp_data, args[0]) + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0)));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 3, 0));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 2, 0));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0));
    ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT));
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
    for (int i = 0; i < CALLS; i++) {
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, system_service[i], 0, 1));
        ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    }
    ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
    struct sock_fprog program = { length, filter };
    check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "PR_SET_SECCOMP");
}

int main(int argc, char **argv)
{
    int end = 2;
    while (end < argc && strcmp(argv[end], "--") != 0)
        end++;
    const struct unit *unit = NULL;
    for (size_t i = 0; argc > 1 && i < sizeof units / sizeof *units; i++)
        if (strcmp(units[i].name, argv[1]) == 0)
            unit = &units[i];
    if (unit == NULL || end + 1 >= argc) {
        fprintf(stderr, "usage: hardened debian-13|ubuntu-24.04 [KEEP..] -- PROGRAM [ARGUMENT..]\n");
        return 2;
    }

    struct rlimit files = { 16384, 16384 };
    int is_root = geteuid() == 0;
    if (is_root) {
        check(setrlimit(RLIMIT_NOFILE, &files), "LimitNOFILE");
        if (unit->has_private_files)
            private_files(argv + 2, end - 2);
        limit_capabilities(unit->capabilities);
    } else {
        fprintf(stderr, "hardened: not root: without the unit's capabilities and mounts\n");
    }
    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
    filter_system_calls();

    if (socket(AF_NETLINK, SOCK_RAW, 0) != -1 || errno != EAFNOSUPPORT) {
        fprintf(stderr, "hardened: netlink sockets are not forbidden\n");
        return 4;
    }
    execv(argv[end + 1], argv + end + 1);
    fail(argv[end + 1]);
}
