/* SPDX-License-Identifier: MIT
 *
 * What the module exports. */
#include "fetch/fetch_priv.h"

struct fetcher *fetcher_open(const struct fetch_options *options, pd_error *err);
void fetcher_start(struct fetcher *fetcher, struct fetch_request *request);
void fetcher_cancel(struct fetcher *fetcher, struct fetch_request *request);
void fetcher_close(struct fetcher *fetcher);

__attribute__((visibility("default"))) extern const struct fetch_module perdure_http_module;

const struct fetch_module perdure_http_module = {
    .version = FETCH_MODULE_VERSION,
    .open = fetcher_open,
    .start = fetcher_start,
    .cancel = fetcher_cancel,
    .close = fetcher_close,
};
