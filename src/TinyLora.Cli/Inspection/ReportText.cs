using System.Text;
using System.Text.Json;

namespace TinyLora.Cli.Inspection;

/// <summary>A report for people: one line a value, objects indented, arrays of objects as tables.</summary>
internal static class ReportText
{
    private const int NameWidth = 22;

    public static string Render(JsonElement report)
    {
        var text = new StringBuilder();
        Append(text, report, "");
        return text.ToString();
    }

    private static void Append(StringBuilder text, JsonElement report, string indent)
    {
        foreach (var member in report.EnumerateObject())
        {
            // Names of types keep their underscores.
            var name = indent + (char.IsUpper(member.Name, 0) ? member.Name : member.Name.Replace('_', ' '));
            if (member.Value.ValueKind == JsonValueKind.Object)
            {
                text.Append(name).Append('\n');
                Append(text, member.Value, indent + "  ");
            }
            else if (IsTable(member.Value))
            {
                text.Append(name).Append('\n');
                AppendTable(text, member.Value, indent + "  ");
            }
            else
            {
                text.Append(name.PadRight(NameWidth)).Append(Value(member.Value)).Append('\n');
            }
        }
    }

    private static bool IsTable(JsonElement value) => value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0 && value[0].ValueKind == JsonValueKind.Object;

    private static void AppendTable(StringBuilder text, JsonElement rows, string indent)
    {
        var lines = new List<string[]> { rows[0].EnumerateObject().Select(member => member.Name.Replace('_', ' ')).ToArray() };
        foreach (var row in rows.EnumerateArray()) lines.Add(row.EnumerateObject().Select(member => Value(member.Value)).ToArray());
        var widths = new int[lines[0].Length];
        foreach (var line in lines)
            for (var i = 0; i < widths.Length; i++) widths[i] = Math.Max(widths[i], line[i].Length);
        foreach (var line in lines)
        {
            text.Append(indent);
            for (var i = 0; i < widths.Length; i++) text.Append(i < widths.Length - 1 ? line[i].PadRight(widths[i] + 2) : line[i]);
            text.Append('\n');
        }
    }

    // Names from files stay on their line.
    private static string Value(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => Text.OneLine(value.GetString()!),
        JsonValueKind.Null => "none",
        JsonValueKind.True => "yes",
        JsonValueKind.False => "no",
        JsonValueKind.Array => value.GetArrayLength() == 0 ? "none" : string.Join(", ", value.EnumerateArray().Select(Value)),
        _ => value.GetRawText(),
    };
}
