// The few functions of libuv that the addon calls. They are declared here, over opaque handles whose size libuv itself tells at run
// time: neither Node's headers nor the layout of a structure of libuv is needed, so one build runs on every Node with libuv 1.
#pragma once

#include <cstddef>

extern "C" {
typedef struct uv_loop_s uv_loop_t;
typedef struct uv_handle_s uv_handle_t;
typedef struct uv_poll_s uv_poll_t;
typedef void (*uv_poll_cb)(uv_poll_t* handle, int status, int events);
typedef void (*uv_close_cb)(uv_handle_t* handle);

size_t uv_handle_size(int type);
void* uv_handle_get_data(const uv_handle_t* handle);
void uv_handle_set_data(uv_handle_t* handle, void* data);
int uv_poll_init(uv_loop_t* loop, uv_poll_t* handle, int fd);
int uv_poll_start(uv_poll_t* handle, int events, uv_poll_cb callback);
int uv_poll_stop(uv_poll_t* handle);
void uv_close(uv_handle_t* handle, uv_close_cb callback);
void uv_ref(uv_handle_t* handle);
void uv_unref(uv_handle_t* handle);
const char* uv_strerror(int error);
}

namespace hotfire {
// enum values of uv.h, part of libuv 1's stable interface.
constexpr int kUvPollType = 8;
constexpr int kUvReadable = 1;
}  // namespace hotfire
