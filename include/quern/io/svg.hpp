/// What pictures written as SVG share: text that cannot break the file, and colours for light and dark viewers.
///
///   std::string svg = svg_begin(640, 360, "Learning curves");
///   svg += svg_text(10, 20, "a < b & c", "class='strong'");
///   atomic_write("picture.svg", svg + "</svg>\n");
#pragma once
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include <quern/base/file.hpp>
#include <quern/text/utf8.hpp>

namespace quern::inline QUERN_ABI {

/// For text and quoted attributes of XML. What XML forbids even escaped (control characters, bytes that are no UTF-8)
/// becomes U+FFFD.
inline std::string xml_escaped(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    const bool allowed = c.value >= 0x20 ? c.value != 0xFFFE && c.value != 0xFFFF : c.value == '\t' || c.value == '\n';
    switch (c.value) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        append_utf8(out, allowed ? c.value : 0xFFFD);
    }
    at += std::size_t(c.bytes);
  }
  return out;
}

/// About how wide a text is, in units of its font size: a Latin letter 0.56, a Chinese character 1.
inline double text_width(std::string_view text) {
  double width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    width += c.value >= 0x2E80 ? 1 : c.value >= 'A' && c.value <= 'Z' ? 0.67 : 0.56;
    at += std::size_t(c.bytes);
  }
  return width;
}

/// The text, or its beginning with "…" where it is wider than `most` font sizes.
inline std::string shortened(const std::string& text, double most) {
  if (text_width(text) <= most) return text;
  std::size_t end = 0;
  for (std::size_t at = 0; at < text.size();) {
    at += std::size_t(code_point_at(text, at).bytes);
    if (text_width(std::string_view(text).substr(0, at)) > most - 1) break;
    end = at;
  }
  return text.substr(0, end) + "…";
}

/// A number with at most two digits after the point: coordinates.
inline std::string svg_number(double x) {
  char text[40];
  const int n = std::snprintf(text, sizeof text, "%.2f", x);
  std::string out(text, std::size_t(n));
  out.erase(out.find_last_not_of('0') + 1);
  if (out.back() == '.') out.pop_back();
  return out == "-0" ? "0" : out;
}

/// The root, a style sheet with both colour schemes, and a background of its own: a viewer that knows nothing of
/// schemes shows the light one, on white. `fits`: shrinks to a narrow window; else the window scrolls, so that small
/// print stays readable.
inline std::string svg_begin(double width, double height, std::string_view title, bool fits = true) {
  const std::string w = svg_number(width), h = svg_number(height);
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + w + "\" height=\"" + h +
                    "\" viewBox=\"0 0 " + w + " " + h + "\" role=\"img\"" +
                    (fits ? " style=\"max-width:100%;height:auto\"" : "") +
                    " font-family=\"system-ui,'DejaVu Sans','Noto Sans CJK SC',sans-serif\">\n<title>" +
                    xml_escaped(title) + "</title>\n";
  out += R"(<style>
text{fill:#1f2328}.soft{fill:#59636e}.strong{font-weight:600}.end{text-anchor:end}.middle{text-anchor:middle}
.paper{fill:#fff}.grid{stroke:#d5dae0}.mark{stroke:#59636e}
.first{stroke:#0b62c4}.second{stroke:#b1450a}.third{stroke:#1a7f37}
.in-first{fill:#0b62c4}.in-second{fill:#b1450a}.in-third{fill:#1a7f37}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.soft{fill:#9198a1}
.paper{fill:#0d1117}.grid{stroke:#343b44}.mark{stroke:#9198a1}
.first{stroke:#58a6ff}.second{stroke:#f0883e}.third{stroke:#56d364}
.in-first{fill:#58a6ff}.in-second{fill:#f0883e}.in-third{fill:#56d364}}
</style>
)";
  return out + "<rect class=\"paper\" width=\"" + w + "\" height=\"" + h + "\"/>\n";
}

/// `attributes`: written into the tag as they are.
inline std::string svg_text(double x, double y, std::string_view text, std::string_view attributes = "") {
  return "<text x=\"" + svg_number(x) + "\" y=\"" + svg_number(y) + "\" " + std::string(attributes) + ">" +
         xml_escaped(text) + "</text>\n";
}

inline std::string svg_line(double x1, double y1, double x2, double y2, std::string_view attributes) {
  return "<line x1=\"" + svg_number(x1) + "\" y1=\"" + svg_number(y1) + "\" x2=\"" + svg_number(x2) + "\" y2=\"" +
         svg_number(y2) + "\" " + std::string(attributes) + "/>\n";
}

}  // namespace quern::inline QUERN_ABI
