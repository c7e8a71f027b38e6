/* SPDX-License-Identifier: Apache-2.0 */
#include "output/groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "output/facts.h"

static void add_known(int64_t *sum, int64_t value)
{
	if (value == ABSENT)
		return;
	*sum = *sum == ABSENT ? value : *sum + value;
}

static struct group *add_group(struct groups *g, const char *name, size_t n_name)
{
	struct group *groups = reallocarray(g->groups, g->n + 1, sizeof(*groups));
	struct group *group;

	if (!groups)
		return NULL;
	g->groups = groups;
	group = &groups[g->n];
	*group = (struct group){
		.name = name ? strndup(name, n_name) : NULL,
		.n_steps = ABSENT,
		.n_tokens = ABSENT,
		.prompt_tokens = ABSENT,
		.cached_tokens = ABSENT,
		.completion_tokens = ABSENT,
		.billed_prompt_tokens = ABSENT,
		.billed_completion_tokens = ABSENT,
	};
	if (name && !group->name)
		return NULL;
	g->n++;
	return group;
}

static bool is_named(const struct group *group, const char *name, size_t n_name)
{
	if (!name || !group->name)
		return name == group->name;
	return strlen(group->name) == n_name && memcmp(group->name, name, n_name) == 0;
}

static struct group *find_or_add(struct groups *g, const char *name, size_t n_name)
{
	for (size_t i = 0; i < g->n; i++)
		if (is_named(&g->groups[i], name, n_name))
			return &g->groups[i];
	return add_group(g, name, n_name);
}

/* A client's port is another with every connection: the address without it is who it is. */
static void client_key(const struct row_request *row, const char **name, size_t *n_name)
{
	const char *client = row->client;
	const char *port = client ? strrchr(client, ':') : NULL;

	*name = client;
	*n_name = client ? strlen(client) : 0;
	if (port && port[1] && strspn(port + 1, "0123456789") == strlen(port + 1))
		*n_name = (size_t)(port - client);
}

static void model_key(const struct row_request *row, const char **name, size_t *n_name)
{
	*name = row->response_model ? row->response_model : row->model;
	*n_name = *name ? strlen(*name) : 0;
}

static int by_request_key(struct groups *g, const struct ledger *l,
			  void (*key)(const struct row_request *row, const char **name, size_t *n_name))
{
	const struct recording *r = l->timeline->recording;

	for (size_t i = 0; i < r->n_requests; i++) {
		const struct row_request *row = &r->requests[i];
		const struct timeline_request *request = &l->timeline->requests[i];
		struct group *group;
		const char *name;
		size_t n_name;

		if (!request__has_tokens(l, i))
			continue;
		key(row, &name, &n_name);
		group = find_or_add(g, name, n_name);
		if (!group)
			return -ENOMEM;
		group->n_requests++;
		group->n_incomplete += request__incomplete(l, i) != 0;
		add_known(&group->prompt_tokens, request->prompt_tokens);
		add_known(&group->cached_tokens, request->cached_tokens);
		add_known(&group->completion_tokens, request->completion_tokens);
		add_known(&group->billed_prompt_tokens, row->billed_prompt_tokens);
		add_known(&group->billed_completion_tokens, row->billed_completion_tokens);
		for (size_t k = 0; k < l->n_resources; k++)
			group->cost[k] += l->requests[i].cost[k];
	}
	return 0;
}

static void count_rows(struct groups *g, const struct timeline *t)
{
	uint32_t last_step[N_PHASES];

	memset(last_step, 0xff, sizeof(last_step));
	for (size_t i = 0; i < t->n_rows; i++) {
		const struct timeline_row *row = &t->rows[i];
		struct group *group = &g->groups[row->phase];

		if (row->recompute || row->run == RUN_NONE || t->runs[row->run].request == REQUEST_NONE)
			continue;
		if (row->counted)
			group->n_tokens += row->n_tokens;
		group->n_steps += row->step != last_step[row->phase];
		last_step[row->phase] = row->step;
	}
}

static int by_phase(struct groups *g, const struct ledger *l)
{
	const struct timeline *t = l->timeline;

	for (int p = 0; p < N_PHASES; p++) {
		const char *name = phase__name((enum phase)p);
		struct group *group = add_group(g, name, strlen(name));

		if (!group)
			return -ENOMEM;
		group->n_steps = 0;
		group->n_tokens = 0;
		for (size_t i = 0; i < t->recording->n_requests; i++) {
			bool any = false;

			for (size_t k = 0; k < l->n_resources; k++) {
				group->cost[k] += l->requests[i].by_phase[p][k];
				any = any || l->requests[i].by_phase[p][k] != 0;
			}
			group->n_requests += any;
			group->n_incomplete += any && request__incomplete(l, i) != 0;
		}
	}
	count_rows(g, t);
	return 0;
}

int groups__build(struct groups *out, const struct ledger *l, enum report_by by)
{
	int rc;

	*out = (struct groups){ 0 };
	if (by == BY_PHASE)
		rc = by_phase(out, l);
	else
		rc = by_request_key(out, l, by == BY_MODEL ? model_key : client_key);
	if (rc < 0)
		groups__free(out);
	return rc;
}

void groups__free(struct groups *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->groups[i].name);
	free(g->groups);
	*g = (struct groups){ 0 };
}
