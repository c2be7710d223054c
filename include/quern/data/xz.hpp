/// Needs liblzma (link lzma). Files compressed by xz, unpacked as they are read.
///
///   std::string bytes = read_xz("train.tsv.xz");
///   read_dataset("train.tsv.xz", {.readers = {.xz = read_xz}});
///   read_xz("train.tsv.xz", {.bytes = 1 << 20});          // Error when there is more in it
///
/// The compressed file is never in memory as a whole, the decoder's own memory has a limit, and so have the bytes that
/// come out and how many times as many they are as went in: a small file cannot fill the machine.
#pragma once
#include <lzma.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>

#include <quern/base/error.hpp>
#include <quern/base/file.hpp>

namespace quern::inline QUERN_ABI {

struct XzLimits {
  std::size_t bytes = std::size_t(4) << 30;          // unpacked
  std::size_t ratio = 1000;                          // unpacked to packed, looked at from 16 MiB on; text has 3 to 20
  std::uint64_t decoder = std::uint64_t(256) << 20;  // memory; the largest preset, -9, takes 65 MiB
};

namespace detail {

inline const char* xz_trouble(lzma_ret code) {
  switch (code) {
    case LZMA_FORMAT_ERROR:
      return "is not an xz file: its first bytes are others";
    case LZMA_DATA_ERROR:
      return "is damaged: its bytes or their check sums are wrong";
    case LZMA_BUF_ERROR:
      return "is truncated: it ends before its compressed data do";
    case LZMA_MEMLIMIT_ERROR:
      return "asks for more memory to unpack than is allowed";
    case LZMA_OPTIONS_ERROR:
    case LZMA_UNSUPPORTED_CHECK:
      return "uses a filter or check sum that this liblzma does not know";
    case LZMA_MEM_ERROR:
      return "cannot be unpacked: not enough memory";
    default:
      return "cannot be unpacked";
  }
}

/// A decoder that is ended with its scope.
struct XzDecoder {
  lzma_stream stream = LZMA_STREAM_INIT;
  explicit XzDecoder(std::uint64_t memory) {
    const auto code = lzma_stream_decoder(&stream, memory, LZMA_CONCATENATED | LZMA_TELL_UNSUPPORTED_CHECK);
    check(code == LZMA_OK, "xz: no decoder: ", xz_trouble(code));
  }
  XzDecoder(const XzDecoder&) = delete;
  ~XzDecoder() { lzma_end(&stream); }
};

}  // namespace detail

/// All bytes that were compressed into the file. Throws Error: missing, unreadable, no xz, damaged, truncated, more
/// than a limit allows.
inline std::string read_xz(const std::string& path, XzLimits limits) {
  const detail::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  check(file.get() >= 0, path, ": cannot be opened for reading: ", detail::reason(errno));
  detail::XzDecoder decoder(limits.decoder);
  lzma_stream& stream = decoder.stream;
  std::string out;
  std::uint8_t in[1 << 16], some[1 << 16];
  for (lzma_action action = LZMA_RUN;;) {
    if (stream.avail_in == 0 && action == LZMA_RUN) {
      const ssize_t n = ::read(file.get(), in, sizeof in);
      if (n < 0 && errno == EINTR) continue;
      check(n >= 0, path, ": reading failed after ", stream.total_in, " bytes: ", detail::reason(errno));
      check(n > 0 || stream.total_in > 0, path, ": the file is empty");
      stream.next_in = in, stream.avail_in = std::size_t(n);
      if (n == 0) action = LZMA_FINISH;
    }
    stream.next_out = some, stream.avail_out = sizeof some;
    const lzma_ret code = lzma_code(&stream, action);
    check(code == LZMA_OK || code == LZMA_STREAM_END, path, ": ", detail::xz_trouble(code), " (after ", stream.total_in,
          " bytes of it; ", stream.total_out, " bytes were unpacked)");
    out.append(reinterpret_cast<const char*>(some), sizeof some - stream.avail_out);
    check(out.size() <= limits.bytes, path, ": holds more than ", limits.bytes, " bytes, the limit for this file");
    check(out.size() < std::size_t(16) << 20 || out.size() / limits.ratio <= stream.total_in, path, ": ",
          stream.total_in, " bytes have unpacked to ", out.size(), ", more than ", limits.ratio,
          " times as many: this is no text; unpack it by hand if it is");
    if (code == LZMA_STREAM_END) return out;
  }
}
/// … with the usual limits; for Readers::xz.
inline std::string read_xz(const std::string& path) { return read_xz(path, XzLimits{}); }

}  // namespace quern::inline QUERN_ABI
