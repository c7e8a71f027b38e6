/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile for pprof: https://github.com/google/pprof/blob/main/proto/profile.proto, compressed as gzip. Frames are functions;
 * request, phase, account and model are labels (`go tool pprof -tagroot phase`), so that the same stack of two requests can be
 * added up or told apart. Tokens and requests are sample types of their own, so that one profile has cost and tokens.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "output/flame.h"
#include "output/protobuf.h"

enum profile_field {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE = 2,
	PROFILE_MAPPING = 3,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING = 6,
	PROFILE_TIME_NANOS = 9,
	PROFILE_DURATION_NANOS = 10,
	PROFILE_COMMENT = 13,
	PROFILE_DEFAULT_SAMPLE_TYPE = 14,
};

#define GZIP_WINDOW (15 + 16) /* zlib.h: the largest window, and 16 for a gzip header */
#define N_VALUES 3

struct profile {
	const struct flame_view *view;
	struct protobuf out, part, inner;
	struct flame_names strings;	/* numbered as pprof wants them: 0 is "" */
	uint64_t *location_of;		/* per name of the graph; 0: none yet */
	uint64_t n_locations;
};

static int64_t string(struct profile *p, const char *text)
{
	const struct flame_name name = { text ? text : "", NULL, NULL, FLAME_ALL };
	const uint32_t number = flame_names__put(&p->strings, &name);

	p->out.failed |= number == UINT32_MAX;
	return number;
}

static void put_value_type(struct profile *p, const char *type, const char *unit)
{
	protobuf__integer(&p->part, 1, string(p, type));
	protobuf__integer(&p->part, 2, string(p, unit));
	protobuf__message(&p->out, PROFILE_SAMPLE_TYPE, &p->part);
}

static const char *unit_of(const struct flame_graph *g, char *text, size_t size)
{
	if (g->scale != 1)
		snprintf(text, size, "thousandths_of_%s_per_token", g->unit);
	else
		snprintf(text, size, "%s",
			 strcmp(g->unit, "ns") == 0 ? "nanoseconds" :
			 strcmp(g->unit, "uJ") == 0 ? "microjoules" :
						      g->unit);
	return text;
}

/* A function and a location of the same number for each name. */
static uint64_t location(struct profile *p, uint32_t name, const char *text, const char *file, uint64_t mapping)
{
	const uint64_t id = ++p->n_locations;

	protobuf__integer(&p->part, 1, (int64_t)id);
	protobuf__integer(&p->part, 2, string(p, text));
	protobuf__integer(&p->part, 3, string(p, text));
	protobuf__integer(&p->part, 4, string(p, file));
	protobuf__message(&p->out, PROFILE_FUNCTION, &p->part);
	protobuf__integer(&p->inner, 1, (int64_t)id);
	protobuf__integer(&p->part, 1, (int64_t)id);
	if (mapping)
		protobuf__integer(&p->part, 2, (int64_t)mapping);
	protobuf__message(&p->part, 4, &p->inner);
	protobuf__message(&p->out, PROFILE_LOCATION, &p->part);
	if (name != UINT32_MAX)
		p->location_of[name] = id;
	return id;
}

/* One mapping per module, told by the number of its path. */
static int put_names(struct profile *p)
{
	const struct flame_graph *g = p->view->graph;
	struct map64 mappings = { .n = 0 };
	int err = 0;

	for (uint32_t i = 0; i < g->names.n && !err; i++) {
		const struct flame_name *name = &g->names.all[i];
		uint32_t *slot = NULL;

		if (name->kind < FLAME_USER)
			continue;
		if (name->module) {
			slot = map64__at(&mappings, (uint64_t)string(p, name->module));
			err = slot ? 0 : -ENOMEM;
		}
		if (slot && *slot == MAP64_NONE) {
			*slot = (uint32_t)mappings.n;
			protobuf__integer(&p->part, 1, *slot);
			protobuf__integer(&p->part, 5, string(p, name->module));
			protobuf__integer(&p->part, 7, 1);
			protobuf__message(&p->out, PROFILE_MAPPING, &p->part);
		}
		location(p, i, name->text, name->file, slot ? *slot : 0);
	}
	map64__free(&mappings);
	return err;
}

static void put_label(struct profile *p, struct protobuf *sample, const char *key, const char *value)
{
	if (!value)
		return;
	protobuf__integer(&p->inner, 1, string(p, key));
	protobuf__integer(&p->inner, 2, string(p, value));
	protobuf__message(sample, 3, &p->inner);
}

static void put_request_labels(struct profile *p, struct protobuf *sample, int64_t request)
{
	const struct row_request *q = &p->view->ledger->timeline->recording->requests[request];
	char id[24];

	snprintf(id, sizeof(id), "%" PRId64, q->id);
	put_label(p, sample, "request", id);
	put_label(p, sample, "response_id", q->api_id);
	put_label(p, sample, "model", q->response_model ? q->response_model : q->model);
}

static void put_sample(struct profile *p, const uint64_t *locations, size_t n, const uint64_t *values)
{
	protobuf__packed(&p->part, 1, locations, n);
	protobuf__packed(&p->part, 2, values, N_VALUES);
}

static int put_stacks(struct profile *p)
{
	const struct flame_graph *g = p->view->graph;
	uint64_t *path;

	path = calloc(flame_graph__depth(g) + 1, sizeof(*path));
	if (!path)
		return -ENOMEM;
	for (size_t i = 1; i < g->n_nodes; i++) {
		const uint64_t values[N_VALUES] = { (uint64_t)g->nodes[i].self };
		uint32_t at = (uint32_t)i;
		size_t n = 0;

		if (!g->nodes[i].self)
			continue;
		for (; g->names.all[g->nodes[at].name].kind >= FLAME_USER; at = g->nodes[at].parent)
			path[n++] = p->location_of[g->nodes[at].name];
		put_sample(p, path, n, values);
		for (; at; at = g->nodes[at].parent) {
			const int64_t group = g->nodes[at].group;

			switch (g->names.all[g->nodes[at].name].kind) {
			case FLAME_REQUEST:
				put_request_labels(p, &p->part, group);
				break;
			case FLAME_PHASE:
				put_label(p, &p->part, "phase", phase__name((enum phase)group));
				break;
			default:
				put_label(p, &p->part, "account", accounts[group].name);
				break;
			}
		}
		protobuf__message(&p->out, PROFILE_SAMPLE, &p->part);
	}
	free(path);
	return 0;
}

static void put_count(struct profile *p, uint64_t where, int64_t request, const char *phase, int64_t tokens,
		      int64_t requests)
{
	const uint64_t values[N_VALUES] = { 0, tokens == ABSENT ? 0 : (uint64_t)tokens, (uint64_t)requests };

	if (!values[1] && !values[2])
		return;
	put_sample(p, &where, 1, values);
	put_request_labels(p, &p->part, request);
	put_label(p, &p->part, "phase", phase);
	protobuf__message(&p->out, PROFILE_SAMPLE, &p->part);
}

/* Of the requests that have a cost in the graph: filters hold for them too. */
static void put_tokens(struct profile *p)
{
	const struct flame_graph *g = p->view->graph;
	const struct timeline *t = p->view->ledger->timeline;
	uint64_t prompt = 0, completion = 0, request = 0;

	for (uint32_t i = 1; i < g->n_nodes; i = g->nodes[i].end) {
		const struct timeline_request *q;

		if (g->names.all[g->nodes[i].name].kind != FLAME_REQUEST)
			continue;
		if (!request) {
			prompt = location(p, UINT32_MAX, "[computed prompt tokens]", NULL, 0);
			completion = location(p, UINT32_MAX, "[generated tokens]", NULL, 0);
			request = location(p, UINT32_MAX, "[requests]", NULL, 0);
		}
		q = &t->requests[g->nodes[i].group];
		put_count(p, prompt, g->nodes[i].group, phase__name(PHASE_PREFILL), q->prompt_tokens, 0);
		put_count(p, completion, g->nodes[i].group, phase__name(PHASE_DECODE), q->completion_tokens, 0);
		put_count(p, request, g->nodes[i].group, NULL, 0, 1);
	}
}

static void put_facts(struct profile *p)
{
	const struct flame_graph *g = p->view->graph;
	const struct recording *r = p->view->ledger->timeline->recording;
	const int64_t origin_unix = recording__meta_int(r, "origin_unix_ns"),
		      origin = recording__meta_int(r, "origin_mono_ns");
	const int64_t start = recording__meta_int(r, "start_ns"), end = recording__meta_int(r, "end_ns");

	if (origin_unix != ABSENT && origin != ABSENT && start != ABSENT)
		protobuf__integer(&p->out, PROFILE_TIME_NANOS, origin_unix + (start - origin));
	if (start != ABSENT && end != ABSENT && end > start)
		protobuf__integer(&p->out, PROFILE_DURATION_NANOS, end - start);
	for (size_t i = 0; i < g->n_notes; i++)
		protobuf__integer(&p->out, PROFILE_COMMENT, string(p, g->notes[i]));
	protobuf__integer(&p->out, PROFILE_DEFAULT_SAMPLE_TYPE, string(p, g->resource->name));
}

static int compress_to(FILE *f, const struct protobuf *p)
{
	unsigned char buffer[1 << 15];
	z_stream z = { .next_in = p->data };
	size_t left = p->n;
	int rc = deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY);

	if (rc != Z_OK)
		return -ENOMEM;
	do {
		if (!z.avail_in) {
			z.avail_in = left > 1 << 30 ? 1 << 30 : (uInt)left;
			left -= z.avail_in;
		}
		z.next_out = buffer;
		z.avail_out = sizeof(buffer);
		rc = deflate(&z, left ? Z_NO_FLUSH : Z_FINISH);
		fwrite(buffer, 1, sizeof(buffer) - z.avail_out, f);
	} while (rc == Z_OK);
	deflateEnd(&z);
	return rc == Z_STREAM_END && !ferror(f) ? 0 : -EIO;
}

static int make(struct profile *p)
{
	char unit[64];
	int err;

	p->location_of = calloc(p->view->graph->names.n + 1, sizeof(*p->location_of));
	if (!p->location_of)
		return -ENOMEM;
	string(p, "");
	put_value_type(p, p->view->graph->resource->name, unit_of(p->view->graph, unit, sizeof(unit)));
	put_value_type(p, "tokens", "count");
	put_value_type(p, "requests", "count");
	err = put_names(p);
	if (!err)
		err = put_stacks(p);
	put_tokens(p);
	put_facts(p);
	for (size_t i = 0; i < p->strings.n; i++)
		protobuf__text(&p->out, PROFILE_STRING, p->strings.all[i].text);
	return err ? err : p->out.failed || p->part.failed ? -ENOMEM : 0;
}

static int write_pprof(FILE *f, const struct flame_view *view)
{
	struct profile p = { .view = view };
	int err = flame_names__init(&p.strings);

	if (!err)
		err = make(&p);
	if (!err)
		err = compress_to(f, &p.out);
	protobuf__free(&p.out);
	protobuf__free(&p.part);
	protobuf__free(&p.inner);
	flame_names__free(&p.strings);
	free(p.location_of);
	return err;
}

const struct flame_output flame_output_pprof = {
	.name = "pprof",
	.suffix = ".pb.gz",
	.doc = "a profile for go tool pprof, with labels request, phase, model",
	.by_request = true,
	.is_binary = true,
	.write = write_pprof,
};
