/* SPDX-License-Identifier: Apache-2.0 */
/* A monitoring group of the server's, on a resctrl tree made of files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host_tree.h"
#include "userspace/memory/resctrl.h"

#define MOUNT "resctrl /sys/fs/resctrl resctrl rw 0 0\n"

static char root[64], reason[200], remedy[200], removed[512];
static int n_mounted, n_unmounted, n_removed, mount_err;
static uint32_t alive;	/* a recorder, besides this one */
static struct resctrl r;

static int make_root(void **state)
{
	(void)state;
	n_mounted = n_unmounted = n_removed = mount_err = 0;
	alive = 0;
	strcpy(root, "/tmp/tokprof-resctrl-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

/* --- what the kernel does ----------------------------------------------------------------------------------------- */

static int fake_mount(void *ctx, const char *path)
{
	(void)ctx;
	assert_non_null(strstr(path, RESCTRL_PATH));
	if (mount_err)
		return mount_err;
	n_mounted++;
	host_tree__put(root, RESCTRL_PATH "/tasks", "");
	host_tree__put(root, RESCTRL_PATH "/mon_groups/.keep", "");
	host_tree__put(root, "/proc/mounts", MOUNT);
	return 0;
}

static int fake_unmount(void *ctx, const char *path)
{
	(void)ctx;
	(void)path;
	n_unmounted++;
	return 0;
}

/* A group's files go with it. */
static int fake_rmdir(void *ctx, const char *path)
{
	char command[600];

	(void)ctx;
	snprintf(removed, sizeof(removed), "%s", path);
	snprintf(command, sizeof(command), "rm -r '%s'", path);
	n_removed++;
	return system(command) ? -EIO : 0;
}

static uint64_t fake_start_of(void *ctx, uint32_t pid)
{
	(void)ctx;
	return pid == (uint32_t)getpid() ? 777 : pid == alive ? 555 : 0;
}

static const struct resctrl_calls calls = { fake_mount, fake_unmount, fake_rmdir, fake_start_of, NULL };

static void put_host(const char *mounts)
{
	host_tree__put(root, "/proc/filesystems", "nodev\tsysfs\nnodev\tresctrl\n");
	host_tree__put(root, "/proc/cpuinfo", "flags\t\t: fpu sse cqm_mbm_total cqm_mbm_local\n");
	host_tree__put(root, "/proc/mounts", mounts);
	if (strcmp(mounts, MOUNT) == 0)
		host_tree__put(root, RESCTRL_PATH "/mon_groups/.keep", "");
}

static int open_host(void)
{
	return resctrl__open(&r, root, &calls, reason, sizeof(reason), remedy, sizeof(remedy));
}

/* Where the kernel makes files in a new group, the test does when the first thread is to be written. */
static int add(uint32_t tid, const char *control, const char *monitor)
{
	char path[128], text[128], group[256];

	snprintf(path, sizeof(path), "/proc/100/task/%" PRIu32 "/cpu_resctrl_groups", tid);
	snprintf(text, sizeof(text), "res:%s\nmon:%s\n", control, monitor);
	host_tree__put(root, path, text);
	snprintf(group, sizeof(group), RESCTRL_PATH "%s/mon_groups/tokprof.%d.777%s/tasks",
		 strcmp(control, "/") == 0 ? "" : control, getpid(), n_mounted ? ".mounted" : "");
	if (!r.group[0]) {
		int err = resctrl__add(&r, 100, tid);

		/* The group is there now, without a file that takes the thread. */
		if (err != -ENOENT)
			return err;
		host_tree__put(root, group, "");
	}
	return resctrl__add(&r, 100, tid);
}

static void put_domain(const char *name, const char *text)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/mon_data/%s/mbm_total_bytes", r.group + strlen(root), name);
	host_tree__put(root, path, text);
}

static void tasks_are(const char *expected)
{
	char path[512], text[256] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/tasks", r.group);
	f = fopen(path, "r");
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	assert_string_equal(text, expected);
}

/* --- tests ---------------------------------------------------------------------------------------------------------- */

static void the_first_thing_that_is_missing_is_named(void **state)
{
	(void)state;
	host_tree__put(root, "/proc/filesystems", "nodev\tsysfs\n");
	assert_int_equal(resctrl__probe(root, reason, sizeof(reason), remedy, sizeof(remedy)), -ENODEV);
	assert_non_null(strstr(reason, "no resctrl file system"));
	assert_true(remedy[0]);
	put_host("sysfs /sys sysfs rw 0 0\n");
	host_tree__put(root, "/proc/cpuinfo", "flags\t\t: fpu sse\n");
	assert_int_equal(resctrl__probe(root, reason, sizeof(reason), remedy, sizeof(remedy)), -ENODEV);
	assert_non_null(strstr(reason, "cqm_mbm_total"));
	put_host("sysfs /sys sysfs rw 0 0\n");
	assert_int_equal(resctrl__probe(root, reason, sizeof(reason), remedy, sizeof(remedy)), 0);
	assert_non_null(strstr(reason, "not mounted"));
	put_host(MOUNT);
	assert_int_equal(resctrl__probe(root, reason, sizeof(reason), remedy, sizeof(remedy)), 0);
	assert_string_equal(reason, "");
}

static void a_group_holds_the_servers_threads_and_goes_at_the_end(void **state)
{
	char group[512];

	(void)state;
	put_host(MOUNT);
	assert_int_equal(open_host(), 0);
	assert_int_equal(add(101, "/", ""), 0);
	assert_int_equal(add(102, "/", ""), 0);
	assert_int_equal(add(101, "/", ""), 0);	/* known: not written again */
	tasks_are("101\n102\n");
	snprintf(group, sizeof(group), "%s" RESCTRL_PATH "/mon_groups/tokprof.%d.777", root, getpid());
	assert_string_equal(r.group, group);
	resctrl__close(&r);
	assert_string_equal(removed, group);
	assert_int_equal(access(group, F_OK), -1);
	assert_int_equal(n_mounted + n_unmounted, 0);
}

static void what_was_mounted_for_the_recording_is_unmounted_after_it(void **state)
{
	(void)state;
	put_host("sysfs /sys sysfs rw 0 0\n");
	assert_int_equal(open_host(), 0);
	assert_int_equal(n_mounted, 1);
	assert_int_equal(add(101, "/", ""), 0);
	assert_non_null(strstr(r.group, ".mounted"));
	resctrl__close(&r);
	assert_int_equal(n_removed, 1);
	assert_int_equal(n_unmounted, 1);
}

static void the_roots_own_counters_are_a_try_that_changes_nothing(void **state)
{
	(void)state;
	put_host("sysfs /sys sysfs rw 0 0\n");
	assert_int_equal(resctrl__try(root, reason, sizeof(reason)), 0);
	put_host(MOUNT);
	assert_int_equal(resctrl__try(root, reason, sizeof(reason)), -ENODATA);
	assert_non_null(strstr(reason, "tells no figure"));
	host_tree__put(root, RESCTRL_PATH "/mon_data/mon_L3_00/mbm_total_bytes", "Unavailable\n");
	assert_int_equal(resctrl__try(root, reason, sizeof(reason)), -ENODATA);
	host_tree__put(root, RESCTRL_PATH "/mon_data/mon_L3_00/mbm_total_bytes", "12\n");
	assert_int_equal(resctrl__try(root, reason, sizeof(reason)), 0);
	assert_int_equal(n_mounted + n_unmounted + n_removed, 0);
}

static void a_mount_that_is_refused_has_a_reason_and_a_remedy(void **state)
{
	(void)state;
	put_host("sysfs /sys sysfs rw 0 0\n");
	mount_err = -EPERM;
	assert_int_equal(open_host(), -EPERM);
	assert_non_null(strstr(reason, "Operation not permitted"));
	assert_non_null(strstr(remedy, "mount -t resctrl"));
}

static void what_a_killed_recorder_left_is_cleared_by_the_next(void **state)
{
	(void)state;
	put_host(MOUNT);
	alive = 4242;
	host_tree__put(root, RESCTRL_PATH "/mon_groups/tokprof.4242.555/tasks", "7\n");	/* still records */
	host_tree__put(root, RESCTRL_PATH "/mon_groups/tokprof.4242.554/tasks",
		       "8\n"); /* its number, another process */
	host_tree__put(root, RESCTRL_PATH "/mon_groups/tokprof.99.1.mounted/tasks", "9\n");
	host_tree__put(root, RESCTRL_PATH "/batch/mon_groups/tokprof.98.1/tasks", "9\n");
	host_tree__put(root, RESCTRL_PATH "/mon_groups/tokprof.notes/tasks", "");
	host_tree__put(root, RESCTRL_PATH "/mon_groups/others/tasks", "");
	assert_int_equal(open_host(), 0);
	assert_int_equal(r.n_cleared, 3);
	assert_int_equal(n_removed, 3);
	resctrl__close(&r);
	/* The killed one had mounted it. */
	assert_int_equal(n_unmounted, 1);
}

static void threads_of_a_control_group_get_a_group_inside_of_it(void **state)
{
	(void)state;
	put_host(MOUNT);
	host_tree__put(root, RESCTRL_PATH "/batch/mon_groups/.keep", "");
	assert_int_equal(open_host(), 0);
	assert_int_equal(add(101, "/batch", ""), 0);
	assert_non_null(strstr(r.group, RESCTRL_PATH "/batch/mon_groups/tokprof."));
	resctrl__close(&r);
}

static void threads_that_somebody_else_monitors_are_left_to_him(void **state)
{
	(void)state;
	put_host(MOUNT);
	assert_int_equal(open_host(), 0);
	assert_int_equal(add(101, "/", "others"), -EBUSY);
	assert_int_equal(r.n_foreign, 1);
	assert_string_equal(r.group, "");
	assert_int_equal(add(101, "/", "others"), 0);	/* said once */
	resctrl__close(&r);
	assert_int_equal(n_removed, 0);
}

static void domains_are_added_up_since_the_reading_before(void **state)
{
	int64_t bytes;

	(void)state;
	put_host(MOUNT);
	assert_int_equal(open_host(), 0);
	assert_int_equal(resctrl__read(&r, &bytes), -EAGAIN);
	assert_int_equal(add(101, "/", ""), 0);
	put_domain("mon_L3_00", "1000\n");
	put_domain("mon_L3_01", "50\n");
	put_domain("mon_MB_00", "999999\n");
	assert_int_equal(resctrl__read(&r, &bytes), -EAGAIN);
	put_domain("mon_L3_00", "1100\n");
	put_domain("mon_L3_01", "57\n");
	assert_int_equal(resctrl__read(&r, &bytes), 0);
	assert_int_equal(bytes, 107);
	assert_int_equal(r.n_domains, 2);
	resctrl__close(&r);
}

static void words_in_the_place_of_a_figure_are_no_figure(void **state)
{
	static const char *const words[] = {
		"Unavailable\n", "Error\n", "Unassigned\n", "", "-5\n", "12 x\n", "99999999999999999999999\n"
	};
	int64_t bytes;

	(void)state;
	put_host(MOUNT);
	assert_int_equal(open_host(), 0);
	assert_int_equal(add(101, "/", ""), 0);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		put_domain("mon_L3_00", "1000\n");
		resctrl__read(&r, &bytes);
		put_domain("mon_L3_00", words[i]);
		assert_int_equal(resctrl__read(&r, &bytes), -ENODATA);
		/* After it the next figure begins anew: what passed meanwhile is not known. */
		put_domain("mon_L3_00", "5000\n");
		assert_int_equal(resctrl__read(&r, &bytes), -EAGAIN);
		put_domain("mon_L3_00", "5010\n");
		assert_int_equal(resctrl__read(&r, &bytes), 0);
		assert_int_equal(bytes, 10);
	}
	put_domain("mon_L3_00", "12\n");	/* given to another group, and begun anew */
	assert_int_equal(resctrl__read(&r, &bytes), -ENODATA);
	resctrl__close(&r);
}

#define on_a_host(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_a_host(the_first_thing_that_is_missing_is_named),
		on_a_host(a_group_holds_the_servers_threads_and_goes_at_the_end),
		on_a_host(what_was_mounted_for_the_recording_is_unmounted_after_it),
		on_a_host(the_roots_own_counters_are_a_try_that_changes_nothing),
		on_a_host(a_mount_that_is_refused_has_a_reason_and_a_remedy),
		on_a_host(what_a_killed_recorder_left_is_cleared_by_the_next),
		on_a_host(threads_of_a_control_group_get_a_group_inside_of_it),
		on_a_host(threads_that_somebody_else_monitors_are_left_to_him),
		on_a_host(domains_are_added_up_since_the_reading_before),
		on_a_host(words_in_the_place_of_a_figure_are_no_figure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
