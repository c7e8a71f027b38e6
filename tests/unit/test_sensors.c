/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host_tree.h"
#include "userspace/sensors.h"

static int probe_fake(struct sensor *out, int max)
{
	assert_true(max >= 1);
	out[0] = (struct sensor){ .id = "uprobe", .resource = "steps", .grade = GRADE_MEASURED };
	strcpy(out[0].source, "uprobe_multi");
	return 1;
}

/* A collector for what is otherwise one of the host's sensors. */
static int probe_rapl_fake(struct sensor *out, int max)
{
	assert_true(max >= 1);
	out[0] = (struct sensor){ .id = "rapl", .resource = "energy_uj", .grade = GRADE_MEASURED };
	return 1;
}

static const struct collector fake = { .name = "fake", .probe = probe_fake };
static const struct collector fake_rapl = { .name = "fake_rapl", .probe = probe_rapl_fake };
static const struct collector mute = { .name = "mute" };
static const struct collector *const one[] = { &fake, &mute, NULL };
static const struct collector *const two[] = { &fake, &fake_rapl, NULL };

static const struct sensor *find(const struct sensor *sensors, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(sensors[i].id, id) == 0)
			return &sensors[i];
	fail_msg("no sensor %s", id);
	return NULL;
}

static const struct sensor *probe(const char *id)
{
	static struct sensor sensors[MAX_SENSORS];
	size_t n = sensors__gather(one, host_root, sensors, MAX_SENSORS);

	return find(sensors, n, id);
}

static void a_collector_speaks_for_its_sensor_and_the_host_for_the_others(void **state)
{
	struct sensor sensors[MAX_SENSORS];
	size_t n = sensors__gather(two, host_root, sensors, MAX_SENSORS);
	int n_rapl = 0;

	(void)state;
	assert_string_equal(sensors[0].id, "uprobe");
	for (size_t i = 0; i < n; i++)
		n_rapl += strcmp(sensors[i].id, "rapl") == 0;
	assert_int_equal(n_rapl, 1);
	assert_int_equal(find(sensors, n, "rapl")->grade, GRADE_MEASURED);
}

static void every_unavailable_sensor_has_a_reason_and_a_remedy(void **state)
{
	static const char *const ids[] = { "dma_fence", "gpu_scheduler", "rapl", "nvml" };
	static const char *const roots[] = { "", "/nowhere" };

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct sensor sensors[MAX_SENSORS];
		size_t n = sensors__gather(one, roots[k], sensors, MAX_SENSORS);

		for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
			const struct sensor *s = find(sensors, n, ids[i]);

			assert_int_equal(s->grade, GRADE_UNAVAILABLE);
			assert_true(s->source[0] && s->reason[0] && s->remedy[0]);
		}
	}
}

static void few_places_are_never_overrun(void **state)
{
	struct sensor sensors[3];

	(void)state;
	assert_int_equal(sensors__gather(one, host_root, sensors, 3), 3);
	assert_int_equal(sensors__gather(one, host_root, sensors, 0), 0);
}

static void what_the_host_has_and_tokprof_does_not_read_is_said_so(void **state)
{
	(void)state;
	host_tree__put(host_root, "/sys/class/powercap/intel-rapl:0/energy_uj", "1\n");
	assert_string_equal(probe("rapl")->reason,
			    "available on this host (/sys/class/powercap/intel-rapl:0/energy_uj can "
			    "be read); not collected by this version");
}

static void a_host_without_tracefs_is_told_how_to_mount_it(void **state)
{
	(void)state;
	assert_non_null(strstr(probe("dma_fence")->reason, "/sys/kernel/tracing"));
	assert_non_null(strstr(probe("dma_fence")->remedy, "mount -t tracefs"));
}

static void the_tracepoints_of_a_device_are_nothing_without_a_device(void **state)
{
	(void)state;
	host_tree__put(host_root, "/sys/kernel/tracing/events/gpu_scheduler/enable", "0\n");
	assert_non_null(strstr(probe("gpu_scheduler")->reason, "no accelerator"));
	host_tree__put(host_root, "/dev/dri/renderD128", "");
	assert_non_null(strstr(probe("gpu_scheduler")->reason, "available on this host"));
}

static void doctor_json_has_every_key_of_the_contract(void **state)
{
	static const char *const keys[] = { "id", "resource", "grade", "source", "reason", "remedy" };
	struct sensor sensors[MAX_SENSORS];
	size_t n = sensors__gather(one, host_root, sensors, MAX_SENSORS), length = 0, i;
	char *text = NULL;
	FILE *f = open_memstream(&text, &length);
	json_t *value, *list, *sensor;

	(void)state;
	assert_int_equal(sensors__write_json(f, sensors, n, NULL), 0);
	fclose(f);
	value = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(value);
	assert_string_equal(json_string_value(json_object_get(value, "schema")), "tokprof.doctor/1");
	list = json_object_get(value, "sensors");
	assert_int_equal(json_array_size(list), n);
	json_array_foreach(list, i, sensor) for (size_t k = 0; k < 6; k++)
		assert_non_null(json_object_get(sensor, keys[k]));
	assert_true(json_is_null(json_object_get(json_array_get(list, 0), "reason")));
	json_decref(value);
	free(text);
}

static void doctor_text_fits_80_columns(void **state)
{
	struct sensor sensors[MAX_SENSORS];
	size_t n = sensors__gather(one, host_root, sensors, MAX_SENSORS), length = 0;
	char *text = NULL;
	FILE *f = open_memstream(&text, &length);

	(void)state;
	assert_int_equal(sensors__write_text(f, sensors, n, 80, false), 0);
	fclose(f);
	for (const char *line = text; *line;) {
		size_t width = strcspn(line, "\n");

		assert_true(width <= 80);
		line += width + (line[width] == '\n');
	}
	free(text);
}

#define on_a_host(test) cmocka_unit_test_setup_teardown(test, host_tree__make, host_tree__remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_a_host(a_collector_speaks_for_its_sensor_and_the_host_for_the_others),
		on_a_host(every_unavailable_sensor_has_a_reason_and_a_remedy),
		on_a_host(few_places_are_never_overrun),
		on_a_host(what_the_host_has_and_tokprof_does_not_read_is_said_so),
		on_a_host(a_host_without_tracefs_is_told_how_to_mount_it),
		on_a_host(the_tracepoints_of_a_device_are_nothing_without_a_device),
		on_a_host(doctor_json_has_every_key_of_the_contract),
		on_a_host(doctor_text_fits_80_columns),
	};

	return cmocka_run_group_tests_name("sensors", tests, NULL, NULL);
}
