/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of driver calls: what each vendor's calls are called, and what is wrong with a table, by its line. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/driver_table.h"
#include "userspace/ioctl_class.h"

static struct driver_table table;

static int open_table(void **state)
{
	char error[200];

	(void)state;
	return driver_table__open(&table, NULL, error, sizeof(error));
}

static int close_table(void **state)
{
	(void)state;
	driver_table__free(&table);
	return 0;
}

/* A folder with a sysfs in it, in which a DRM node has this driver, of this version. */
struct host {
	char root[64];
};

static void make_folders(const char *path)
{
	char part[512];

	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		mkdir(part, 0700);
	}
}

static void host__init(struct host *h, const char *node, const char *driver, const char *version)
{
	char path[400], target[128];
	FILE *f;

	snprintf(h->root, sizeof(h->root), "/tmp/tokprof-drivers-XXXXXX");
	assert_non_null(mkdtemp(h->root));
	snprintf(path, sizeof(path), "%s/sys/class/%s/device/driver", h->root, node);
	snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s", driver);
	make_folders(path);
	assert_int_equal(symlink(target, path), 0);
	if (!version)
		return;
	snprintf(path, sizeof(path), "%s/sys/module/%s/version", h->root, driver);
	make_folders(path);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "%s\n", version);
	fclose(f);
}

static void host__remove(const struct host *h)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", h->root);
	assert_int_equal(system(command), 0);
}

/* What a command on a node is, as ioctl() is given it. */
static void is_call(const char *root, const char *node, uint32_t command, uint64_t sub, const char *name, int class)
{
	const uint64_t drivers = driver_table__of_node(&table, node, root, 0, 0);
	/* As the kernel's side looks it up: by magic and number, or by all of it. */
	const uint32_t key = driver_table__is_whole(&table, drivers) ? command : command & 0xffff;
	const struct driver_call *call = driver_table__find(&table, drivers, key, sub);
	char called[96];

	driver_table__call_name(&table, drivers, node, key, sub, called, sizeof(called));
	assert_string_equal(called, name);
	if (class < 0)
		assert_null(call);
	else
		assert_int_equal(call->class, class);
}

static void nvidia_calls_go_by_magic_and_number_whatever_the_size(void **state)
{
	(void)state;
	is_call("", "/dev/nvidiactl", 0xc020462a, 0x20801701, "NV_ESC_RM_CONTROL/0x20801701", IOCTL_CONTROL);
	is_call("", "/dev/nvidia0", 0xc030462b, 0xc661, "NV_ESC_RM_ALLOC/0xc661", IOCTL_ALLOC);
	is_call("", "/dev/nvidia15", 0xc020462b, 0xc661, "NV_ESC_RM_ALLOC/0xc661", IOCTL_ALLOC);
	is_call("", "/dev/nvidiactl", 0xc0004629, 0, "NV_ESC_RM_FREE", IOCTL_ALLOC);
	is_call("", "/dev/nvidiactl", 0xc0004641, 0, "NV_ESC_RM_IDLE_CHANNELS", IOCTL_WAIT);
	is_call("", "/dev/nvidiactl", 0xc00846c9, 0, "NV_ESC_REGISTER_FD", IOCTL_CONTROL);
	is_call("", "/dev/nvidiactl", 0xc00846fe, 0, "nvidiactl:F:0xfe", -1);
	is_call("", "/dev/nvidia-modeset", 0xc0106d00, 7, "NVKMS_IOCTL_IOWR/0x7", IOCTL_CONTROL);
}

static void uvm_calls_are_plain_numbers_compared_as_a_whole(void **state)
{
	(void)state;
	is_call("", "/dev/nvidia-uvm", 33, 0, "UVM_MAP_EXTERNAL_ALLOCATION", IOCTL_MAP);
	is_call("", "/dev/nvidia-uvm", 0x30000001, 0, "UVM_INITIALIZE", IOCTL_CONTROL);
	is_call("", "/dev/nvidia-uvm", 0x10000 + 33, 0, "nvidia-uvm:0x10021", -1);
}

static void drm_numbers_mean_what_the_nodes_own_driver_says(void **state)
{
	struct host amd, intel, xe;

	(void)state;
	host__init(&amd, "drm/renderD128", "amdgpu", NULL);
	host__init(&intel, "drm/renderD129", "i915", NULL);
	host__init(&xe, "drm/card0", "xe", NULL);
	is_call(amd.root, "/dev/dri/renderD128", 0xc0186444, 0, "DRM_AMDGPU_CS", IOCTL_SUBMIT);
	is_call(amd.root, "/dev/dri/renderD128", 0xc0206449, 0, "DRM_AMDGPU_WAIT_CS", IOCTL_WAIT);
	is_call(intel.root, "/dev/dri/renderD129", 0x40406469, 0, "DRM_I915_GEM_EXECBUFFER2", IOCTL_SUBMIT);
	is_call(intel.root, "/dev/dri/renderD129", 0xc010646c, 0, "DRM_I915_GEM_WAIT", IOCTL_WAIT);
	is_call(xe.root, "/dev/dri/card0", 0x40386449, 0, "DRM_XE_EXEC", IOCTL_SUBMIT);
	is_call(xe.root, "/dev/dri/card0", 0x40386445, 0, "DRM_XE_VM_BIND", IOCTL_MAP);
	/* The core's numbers are every driver's; a node without one has no others. */
	is_call(xe.root, "/dev/dri/card0", 0xc02864c3, 0, "DRM_IOCTL_SYNCOBJ_WAIT", IOCTL_WAIT);
	is_call(amd.root, "/dev/dri/renderD129", 0xc0186444, 0, "renderD129:d:0x44", -1);
	host__remove(&amd);
	host__remove(&intel);
	host__remove(&xe);
}

static void moore_threads_numbers_follow_the_modules_version(void **state)
{
	static const struct {
		const char *version, *name;
		uint32_t command;
		uint64_t sub;
	} cases[] = {
		{ "2.5.0", "DRM_MTGPU_JOB_SUBMIT", 0xc0006464, 0 },
		{ "2.6.0", "DRM_MTGPU_JOB_SUBMIT", 0xc0006463, 0 },
		{ "2.7.0", "DRM_MTGPU_JOB_SUBMIT", 0xc0006467, 0 },
		{ "2.7.0-6.12", "DRM_MTGPU_JOB_SUBMIT", 0xc0006467, 0 },
		{ "5.1.0", "MTGPU_JOB_CMD_SUBMIT_V3", 0xc000644f, 5 | 12ull << 32 },
		{ "5.1.0", "MTGPU_SYNC_CMD_SEMAPHORE_WAIT", 0xc000644f, 4 | 11ull << 32 },
		{ "5.1.0", "DRM_MTGPU_CMD/0x6300000009", 0xc000644f, 9 | 99ull << 32 },
		{ "9.0.0", "renderD128:d:0x64", 0xc0006464, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct host h;
		uint64_t drivers;
		char name[96];

		host__init(&h, "drm/renderD128", "mtgpu", cases[i].version);
		drivers = driver_table__of_node(&table, "/dev/dri/renderD128", h.root, 0, 0);
		driver_table__call_name(&table, drivers, "/dev/dri/renderD128", cases[i].command & 0xffff, cases[i].sub,
					name, sizeof(name));
		assert_string_equal(name, cases[i].name);
		host__remove(&h);
	}
}

static void other_vendors_calls_have_their_names(void **state)
{
	struct host gaudi;

	(void)state;
	is_call("", "/dev/kfd", 0xc0184b0c, 0, "AMDKFD_IOC_WAIT_EVENTS", IOCTL_WAIT);
	is_call("", "/dev/kfd", 0xc0584b02, 0, "AMDKFD_IOC_CREATE_QUEUE", IOCTL_ALLOC);
	is_call("", "/dev/kfd", 0xc0184b20, 1, "AMDKFD_IOC_SVM/0x1", IOCTL_MAP);
	is_call("", "/dev/hl0", 0xc0004803, 0, "HL_IOCTL_CS", IOCTL_SUBMIT);
	is_call("", "/dev/hl0", 0xc0004805, 2, "HL_MEM_OP_MAP", IOCTL_MAP);
	host__init(&gaudi, "accel/accel0", "habanalabs", NULL);
	is_call(gaudi.root, "/dev/accel/accel0", 0xc0006443, 0, "DRM_IOCTL_HL_WAIT_CS", IOCTL_WAIT);
	host__remove(&gaudi);
	is_call("", "/dev/cambricon_dev0", 0xc0005326, 0, "SBTS_QUEUE_INVOKE_TASK", IOCTL_SUBMIT);
	is_call("", "/dev/cambricon_dev3", 0xc0005329, 0, "SBTS_MULTI_QUEUE_SYNC", IOCTL_WAIT);
	is_call("", "/dev/xpu0", 0xc0007801, 0, "xpu0:x:0x01", -1);
	is_call("", "/dev/whatever7", 0xc000ee01, 0, "whatever7:0xee:0x01", -1);
}

/* One magic, three meanings: 'M' of the memory manager, of the device manager, and of Cambricon's memory. */
static void the_node_decides_what_a_magic_means(void **state)
{
	(void)state;
	is_call("", "/dev/devmm_svm", 0xc0004d0a, 0, "DEVMM_SVM_WAIT_CONVERT_CPY_RESLUT", IOCTL_WAIT);
	is_call("", "/dev/davinci_manager", 0xc0005813, 0, "TRS_SQCQ_SEND", IOCTL_SUBMIT);
	is_call("", "/dev/davinci_manager", 0xc0005814, 0, "TRS_SQCQ_RECV", IOCTL_WAIT);
	is_call("", "/dev/davinci_manager", 0xc0005a00, 0, "DAVINCI_INTF_IOCTL_OPEN", IOCTL_CONTROL);
	is_call("", "/dev/svm0", 0xc0005516, 0, "SVM_DMA_DESC_SUBMIT", IOCTL_SUBMIT);
	is_call("", "/dev/hisi_hdc", 0xc0004815, 0, "HDCDRV_CMD_SEND", IOCTL_SUBMIT);
	is_call("", "/dev/devmm_svm", 0xc0005813, 0, "devmm_svm:X:0x13", -1);
}

static void a_users_table_adds_drivers_and_takes_the_place_of_known_calls(void **state)
{
	static const char text[] = "# my own\r\n"
				   "driver\tnvidia\t/dev/nvidiactl;/dev/nvidia[0-9]*\t-\tmine\r\n"
				   "0x46\t42\t-\tMY_CONTROL\twait\tsub=2@4 status=4@60\r\n"
				   "driver\tnew\t/dev/new[0-9]*\t-\n"
				   "0x6e\t1\t-\tNEW_SEND\tsubmit\t-\n"
				   "0x6e\t1\t0x7\tNEW_SEND_SEVEN\tcopy\t-\n";
	struct driver_table t;
	char error[200];
	const struct driver_call *call;

	(void)state;
	assert_int_equal(driver_table__open(&t, NULL, error, sizeof(error)), 0);
	assert_int_equal(driver_table__parse(&t, "mine", text, strlen(text), error, sizeof(error)), 0);
	call = driver_table__find(&t, driver_table__of_node(&t, "/dev/nvidia0", "", 0, 0), 0x462a, 0);
	assert_string_equal(call->name, "MY_CONTROL");
	assert_int_equal(call->class, IOCTL_WAIT);
	assert_int_equal(call->argument.sub_offset, 4);
	assert_int_equal(call->argument.status[0].offset, 60);
	call = driver_table__find(&t, driver_table__of_node(&t, "/dev/new3", "", 0, 0), 0x6e01, 7);
	assert_string_equal(call->name, "NEW_SEND_SEVEN");
	call = driver_table__find(&t, driver_table__of_node(&t, "/dev/new3", "", 0, 0), 0x6e01, 8);
	assert_string_equal(call->name, "NEW_SEND");
	driver_table__free(&t);
}

static void what_is_wrong_is_said_with_its_line(void **state)
{
#define D "driver\td\t/dev/d\t-\n"
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "0x46\t1\t-\tX\twait\t-\n", "t:1: a call before the first line that begins with 'driver'" },
		{ D "\n# a comment\n0x46\t1\t-\tX\twayt\t-\n", "t:4: 'wayt' is no class (wait?)" },
		{ D "0x146\t1\t-\tX\twait\t-\n", "t:2: '0x146' is no magic" },
		{ D "0x46\t0x100\t-\tX\twait\t-\n", "t:2: '0x100' is no number of a call" },
		{ D "-\t0x100000000\t-\tX\twait\t-\n", "t:2: '0x100000000' is no number" },
		{ D "0x46\t-1\t-\tX\twait\t-\n", "t:2: '-1' is no number" },
		{ D "0x46\t1\t-\t\twait\t-\n", "t:2: a call's name has 1 to 63 characters" },
		{ D "0x46\t1\t-\tX\twait\n",
		  "t:2: a call has 6 columns (magic, number, sub-command, name, class, argument), not 5" },
		{ D "0x46\t1\t-\tX\twait\t-\t-\n", "t:2: a call has 6 columns" },
		{ D "0x46\t1\t1,2,3\tX\twait\t-\n", "t:2: '1' is no sub-command" },
		{ D "0x46\t1\t-\tX\twait\tsub=3@0\n", "t:2: '3' is no size of a field" },
		{ D "0x46\t1\t-\tX\twait\tsub=4@5000\n", "t:2: '5000' is no offset" },
		{ D "0x46\t1\t-\tX\twait\tsub=4\n", "t:2: '4' is no place" },
		{ D "0x46\t1\t-\tX\twait\tstatus=4@0/0\n", "t:2: '0' is no size of an argument" },
		{ D "0x46\t1\t-\tX\twait\tsub\n", "t:2: 'sub': write sub=" },
		{ D "0x46\t1\t-\tX\twait\tsup=4@8\n", "t:2: 'sup=4@8': write sub=" },
		{ D "0x46\t1\t-\tX\twait\t-\n0x46\t1\t-\tY\twait\t-\n", "t:3: Y is the same call as X in line 2" },
		{ D "0x46\t1\t-\tX\twait\t-\n-\t1\t-\tY\twait\t-\n",
		  "t:3: driver d compares magic and number; all of its calls have to" },
		{ "driver\td\tdev/d\t-\n", "t:1: 'dev/d' is no list of nodes" },
		{ "driver\td\t/dev/d;\t-\n", "t:1: '/dev/d;' is no list of nodes" },
		{ "driver\t\t/dev/d\t-\n", "t:1: '' is no name of a driver" },
		{ "driver\td\t/dev/d\n", "t:1: a driver has 3 or 4 columns" },
		{ "driver\td\t/dev/d\ta/b\n", "t:1: 'a/b' is no kernel driver" },
		{ D "0x46\t1\t-\tX\x01Y\twait\t-\n", "t:2: a control character in column 11" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct driver_table t = { .n_drivers = 0 };
		char error[300];

		assert_int_equal(
			driver_table__parse(&t, "t", cases[i].text, strlen(cases[i].text), error, sizeof(error)),
			-EINVAL);
		if (strncmp(error, cases[i].words, strlen(cases[i].words)) != 0)
			fail_msg("%s, expected %s", error, cases[i].words);
		driver_table__free(&t);
	}
}

static void a_long_line_and_too_many_drivers_are_refused(void **state)
{
	static char text[8192];
	struct driver_table t = { .n_drivers = 0 };
	char error[300];
	size_t n = 0;

	(void)state;
	memset(text, 'x', 2000);
	assert_int_equal(driver_table__parse(&t, "t", text, 2000, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "t:1: a line of more than 1023 characters");
	for (int i = 0; i < DRIVER_MAX + 1; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "driver\td%d\t/dev/d%d\t-\n", i, i);
	assert_int_equal(driver_table__parse(&t, "t", text, n, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "t:65: more than 64 drivers");
	driver_table__free(&t);
}

static void a_table_that_is_not_there_is_named(void **state)
{
	struct driver_table t;
	char error[200];

	(void)state;
	assert_int_equal(driver_table__open(&t, "/nonexistent/t.tsv", error, sizeof(error)), -ENOENT);
	assert_string_equal(error, "/nonexistent/t.tsv: No such file or directory");
	driver_table__free(&t);
}

static void what_every_program_has_open_is_no_accelerator(void **state)
{
	(void)state;
	assert_true(device_node__is_common("/dev/null"));
	assert_true(device_node__is_common("/dev/pts/3"));
	assert_true(device_node__is_common("/dev/net/tun"));
	assert_true(device_node__is_common("/home/x"));
	assert_false(device_node__is_common("/dev/nvidia0"));
	assert_false(device_node__is_common("/dev/dri/renderD128"));
	assert_false(device_node__is_common("/dev/unheard-of"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nvidia_calls_go_by_magic_and_number_whatever_the_size),
		cmocka_unit_test(uvm_calls_are_plain_numbers_compared_as_a_whole),
		cmocka_unit_test(drm_numbers_mean_what_the_nodes_own_driver_says),
		cmocka_unit_test(moore_threads_numbers_follow_the_modules_version),
		cmocka_unit_test(other_vendors_calls_have_their_names),
		cmocka_unit_test(the_node_decides_what_a_magic_means),
		cmocka_unit_test(a_users_table_adds_drivers_and_takes_the_place_of_known_calls),
		cmocka_unit_test(what_is_wrong_is_said_with_its_line),
		cmocka_unit_test(a_long_line_and_too_many_drivers_are_refused),
		cmocka_unit_test(a_table_that_is_not_there_is_named),
		cmocka_unit_test(what_every_program_has_open_is_no_accelerator),
	};

	return cmocka_run_group_tests(tests, open_table, close_table);
}
