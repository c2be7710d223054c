/// Needs protozero. Figures of a training as event files that TensorBoard opens (`tensorboard --logdir runs`).
///
///   EventWriter events("runs/first");                     // runs/first/events.out.tfevents.1730000000.quern.4711.0
///   events.scalar("loss/train", 0.41, 100);               // after 100 steps
///
/// A file is a row of records (TFRecord): length, checksum of the length, an Event message, checksum of the message.
/// TensorBoard stores figures as float. A record is one write: a crash leaves at most one that is cut short, which
/// readers pass over.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include <protozero/pbf_writer.hpp>

#include <quern/base/file.hpp>

namespace quern::inline QUERN_ABI {

/// CRC-32C (Castagnoli; RFC 3720, B.4), reflected polynomial 0x82F63B78.
inline std::uint32_t crc32c(std::string_view bytes) {
  static constexpr auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ (c & 1 ? 0x82F63B78u : 0u);
      t[i] = c;
    }
    return t;
  }();
  std::uint32_t crc = 0xFFFFFFFFu;
  for (const char byte : bytes) crc = table[(crc ^ static_cast<unsigned char>(byte)) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

/// TFRecord stores checksums rotated and shifted, so that the checksum of data that holds checksums stays of use.
inline std::uint32_t masked_crc32c(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

/// One TFRecord: 8 bytes of length, 4 of its checksum, the data, 4 of their checksum; all little-endian.
inline std::string tf_record(std::string_view data) {
  std::string out;
  const auto append = [&](std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out += char(value >> (8 * i) & 0xFF);
  };
  append(data.size(), 8);
  append(masked_crc32c(std::string(out)), 4);
  out += data;
  append(masked_crc32c(data), 4);
  return out;
}

/// Appends events to a new file in `folder`, which is made where it is missing. A run that goes on writes a second
/// file: the step of its first figure tells TensorBoard to drop what an earlier one had from there on.
class EventWriter {
 public:
  explicit EventWriter(const std::string& folder) : path_(new_path(folder)), file_(open_new(path_)) {
    std::string event = begun(0);
    protozero::pbf_writer(event).add_string(3, "brain.Event:2");
    append(event);
  }

  const std::string& path() const { return path_; }

  /// A figure after `step` steps. Tags with the same word before a slash are shown together.
  void scalar(std::string_view tag, double value, std::int64_t step) {
    if (!started_) {
      std::string event = begun(step);
      {
        protozero::pbf_writer writer(event);
        protozero::pbf_writer session(writer, 7);
        session.add_enum(1, 1);  // START
      }
      append(event);
      started_ = true;
    }
    std::string event = begun(step);
    {
      protozero::pbf_writer writer(event);
      protozero::pbf_writer summary(writer, 5), entry(summary, 1);
      entry.add_string(1, tag.data(), tag.size());
      entry.add_float(2, float(value));
    }
    append(event);
  }

 private:
  static std::string new_path(const std::string& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    check(!error, folder, ": the folder cannot be made: ", error.message());
    const auto seconds = std::chrono::system_clock::now().time_since_epoch() / std::chrono::seconds(1);
    const std::string start = text_of(folder, "/events.out.tfevents.", seconds, ".quern.", ::getpid(), ".");
    int n = 0;
    for (struct stat info; ::stat((start + std::to_string(n)).c_str(), &info) == 0;) ++n;
    return start + std::to_string(n);
  }
  static int open_new(const std::string& path) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    check(fd >= 0, path, ": cannot be created: ", detail::reason(errno));
    return fd;
  }

  /// An Event with its wall_time and step.
  static std::string begun(std::int64_t step) {
    std::string event;
    protozero::pbf_writer writer(event);
    writer.add_double(1, std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count());
    if (step != 0) writer.add_int64(2, step);
    return event;
  }

  void append(std::string_view event) {
    const std::string record = tf_record(event);
    const ssize_t n = ::write(file_.get(), record.data(), record.size());
    check(n == ssize_t(record.size()), path_, ": writing failed: ", n < 0 ? detail::reason(errno) : "the disk is full");
  }

  std::string path_;
  detail::Descriptor file_;
  bool started_ = false;
};

}  // namespace quern::inline QUERN_ABI
