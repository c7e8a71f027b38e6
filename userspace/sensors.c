/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/sensors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "output/json_writer.h"
#include "output/table.h"
#include "output/utf8.h"
#include "userspace/analysis/facts.h"
#include "userspace/memory/memory_check.h"

#define ID_WIDTH 19
#define GRADE_WIDTH 14

extern const struct host_sensor sensor_dma_fence, sensor_gpu_scheduler;
extern const struct host_sensor sensor_rapl, sensor_nvml;

const struct host_sensor *const host_sensors[] = {
	&sensor_dma_fence, &sensor_gpu_scheduler, &sensor_rapl, &sensor_nvml, NULL,
};

static bool is_known(const struct sensor *sensors, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(sensors[i].id, id) == 0)
			return true;
	return false;
}

/* Copy a sentence whole or cut it visibly: half a path is worse than an ellipsis. */
static void put(char *out, size_t size, const char *text)
{
	if ((size_t)snprintf(out, size, "%s", text) >= size)
		memcpy(out + size - 4, "...", 4);
}

static void probe_host(const struct host_sensor *host, const char *root, struct sensor *out)
{
	char detail[192] = "", remedy[192] = "", reason[320];
	int rc = host->probe(root, detail, sizeof(detail), remedy, sizeof(remedy));

	*out = (struct sensor){ .id = host->id, .resource = host->resource, .grade = GRADE_UNAVAILABLE };
	put(out->source, sizeof(out->source), host->source);
	if (rc == 0) {
		snprintf(reason, sizeof(reason), "available on this host (%s); not collected by this version", detail);
		put(out->reason, sizeof(out->reason), reason);
		put(out->remedy, sizeof(out->remedy), "none on this host: a version of tokprof that collects it");
	} else {
		put(out->reason, sizeof(out->reason), detail);
		put(out->remedy, sizeof(out->remedy), remedy);
	}
}

size_t sensors__gather(const struct collector *const *list, const char *root, struct sensor *out, size_t max)
{
	size_t n = 0;

	for (; *list && n < max; list++) {
		int found = (*list)->probe ? (*list)->probe(out + n, (int)(max - n)) : 0;

		if (found > 0)
			n += (size_t)found;
	}
	for (int i = 0; host_sensors[i] && n < max; i++)
		if (!is_known(out, n, host_sensors[i]->id))
			probe_host(host_sensors[i], root, &out[n++]);
	return n;
}

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

int sensors__write_json(FILE *f, const struct sensor *sensors, size_t n, const struct memory_check *check)
{
	struct json_writer w;

	json_writer__init(&w, f, 2);
	json_writer__begin_object(&w);
	json_writer__put_string(&w, "schema", "tokprof.doctor/1");
	json_writer__put_array(&w, "sensors");
	for (size_t i = 0; i < n; i++) {
		json_writer__begin_object(&w);
		json_writer__put_string(&w, "id", sensors[i].id);
		json_writer__put_string(&w, "resource", sensors[i].resource);
		json_writer__put_string(&w, "grade", grade__name(sensors[i].grade));
		json_writer__put_string(&w, "source", or_null(sensors[i].source));
		json_writer__put_string(&w, "reason", or_null(sensors[i].reason));
		json_writer__put_string(&w, "remedy", or_null(sensors[i].remedy));
		json_writer__end_object(&w);
	}
	json_writer__end_array(&w);
	if (check)
		memory_check__put_json(&w, check);
	json_writer__end_object(&w);
	return json_writer__finish(&w);
}

static void put_line(FILE *f, const char *label, const char *text, int columns, bool color)
{
	char safe[256];

	if (!*text)
		return;
	utf8__defuse(safe, sizeof(safe), text, strlen(text));
	fprintf(f, "%*s%s%-8s%s", ID_WIDTH, "", style__begin(STYLE_DIM, color), label, style__end(STYLE_DIM, color));
	text__wrap(f, safe, ID_WIDTH + 8, ID_WIDTH + 8, columns);
	putc('\n', f);
}

static enum cell_style style_of(int grade)
{
	return grade == GRADE_MEASURED ? STYLE_GOOD : grade == GRADE_UNAVAILABLE ? STYLE_BAD : STYLE_WARN;
}

int sensors__write_text(FILE *f, const struct sensor *sensors, size_t n, int columns, bool color)
{
	fprintf(f, "%s%-*s%-*s%s%s\n", style__begin(STYLE_BOLD, color), ID_WIDTH, "sensor", GRADE_WIDTH, "grade",
		"gives", style__end(STYLE_BOLD, color));
	for (size_t i = 0; i < n; i++) {
		const struct sensor *s = &sensors[i];
		const char *grade = s->grade == GRADE_SELF_REPORTED ? "self-reported" : grade__name(s->grade);

		fprintf(f, "%-*s%s%-*s%s", ID_WIDTH, s->id, style__begin(style_of(s->grade), color), GRADE_WIDTH, grade,
			style__end(style_of(s->grade), color));
		text__wrap(f, s->resource, ID_WIDTH + GRADE_WIDTH, ID_WIDTH + GRADE_WIDTH, columns);
		putc('\n', f);
		put_line(f, "source", s->source, columns, color);
		put_line(f, "why", s->reason, columns, color);
		put_line(f, "remedy", s->remedy, columns, color);
	}
	return ferror(f) ? -EIO : 0;
}
