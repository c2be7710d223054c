#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include <data/files.hpp>
#include <protozero/pbf_reader.hpp>
#include <quern/io/tensorboard.hpp>

using namespace quern;

namespace {

struct Event {
  double time = 0, value = 0;
  std::int64_t step = 0;
  std::string version, tag;
  bool restart = false;
};

Event parsed(const std::string& data) {
  Event e;
  protozero::pbf_reader event(data);
  while (event.next()) switch (event.tag()) {
      case 1:
        e.time = event.get_double();
        break;
      case 2:
        e.step = event.get_int64();
        break;
      case 3:
        e.version = event.get_string();
        break;
      case 5: {
        auto summary = event.get_message();
        REQUIRE(summary.next(1));
        auto value = summary.get_message();
        while (value.next())
          value.tag() == 1 ? e.tag = value.get_string(), 0 : (e.value = double(value.get_float()), 0);
        CHECK(!summary.next());
        break;
      }
      case 7: {
        auto session = event.get_message();
        e.restart = session.next(1) && session.get_enum() == 1;
        break;
      }
      default:
        FAIL("an unknown field");
    }
  return e;
}

std::uint64_t little_endian(const std::string& bytes, std::size_t at, int n) {
  std::uint64_t value = 0;
  for (int i = n; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes.at(at + std::size_t(i)));
  return value;
}

/// All events of a file; every length and checksum is looked at.
std::vector<Event> events_of(const std::string& bytes) {
  std::vector<Event> events;
  for (std::size_t at = 0; at < bytes.size();) {
    const auto length = std::size_t(little_endian(bytes, at, 8));
    CHECK(little_endian(bytes, at + 8, 4) == masked_crc32c(bytes.substr(at, 8)));
    const std::string data = bytes.substr(at + 12, length);
    REQUIRE(data.size() == length);
    CHECK(little_endian(bytes, at + 12 + length, 4) == masked_crc32c(data));
    events.push_back(parsed(data));
    at += length + 16;
  }
  return events;
}

}  // namespace

TEST_CASE("crc32c: the vectors of RFC 3720, B.4") {
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AAu);
  CHECK(crc32c(std::string(32, '\xFF')) == 0x62A8AB43u);
  std::string rising(32, '\0');
  std::iota(rising.begin(), rising.end(), char(0));
  CHECK(crc32c(rising) == 0x46DD794Eu);
  CHECK(crc32c(std::string(rising.rbegin(), rising.rend())) == 0x113FDB5Cu);
  CHECK(crc32c("123456789") == 0xE3069283u);
  CHECK(crc32c("") == 0);
  CHECK(masked_crc32c("") == 0xA282EAD8u);
}

TEST_CASE("tf_record: length, checksums and data") {
  const std::string record = tf_record("abc");
  CHECK(record.size() == 19);
  CHECK(record.substr(0, 8) == std::string("\3\0\0\0\0\0\0\0", 8));
  CHECK(record.substr(12, 3) == "abc");
  // The checksum of "\3\0\0\0\0\0\0\0" and of "abc" (0x364B3FB7), rotated and shifted by hand.
  CHECK(little_endian(record, 15, 4) == ((0x364B3FB7u >> 15 | 0x364B3FB7u << 17) + 0xA282EAD8u));
}

TEST_CASE("events: figures are read back as they were written") {
  const TemporaryFolder folder;
  EventWriter writer(folder / "runs/first");
  CHECK(holds(writer.path(), "runs/first/events.out.tfevents."));
  writer.scalar("loss/train", 0.4375, 20);
  writer.scalar("accuracy/dev", 0.8, 20);
  writer.scalar("loss/train", -1e-3, std::int64_t(1) << 40);
  writer.scalar("rate \xC3\xA9", INFINITY, 0);
  const auto events = events_of(read_file(writer.path()));
  REQUIRE(events.size() == 6);
  CHECK(events[0].version == "brain.Event:2");
  CHECK(events[1].restart);
  CHECK(events[1].step == 20);
  const auto is = [](const Event& e, const char* tag, double value, std::int64_t step) {
    return e.tag == tag && e.value == double(float(value)) && e.step == step && e.time > 1.7e9 && !e.restart;
  };
  CHECK(is(events[2], "loss/train", 0.4375, 20));
  CHECK(is(events[3], "accuracy/dev", 0.8, 20));
  CHECK(is(events[4], "loss/train", -1e-3, std::int64_t(1) << 40));
  CHECK(is(events[5], "rate \xC3\xA9", INFINITY, 0));

  const EventWriter second(folder / "runs/first");  // in the same second: a file of its own
  CHECK(second.path() != writer.path());
  CHECK(list_folder(folder / "runs/first").size() == 2);
  folder.write("file", "x");
  CHECK(holds(error_of([&] { EventWriter(folder / "file"); }), "file: the folder cannot be made"));
}
