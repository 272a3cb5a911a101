using System.Text.Json;

namespace TinyLora.Tokenization;

/// <summary>Members of a JSON object that may be missing or of another type.</summary>
internal static class JsonMembers
{
    /// <summary>The member; false if it is missing or this is no object.</summary>
    public static bool Has(this JsonElement element, string name, out JsonElement value)
    {
        value = default;
        return element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out value);
    }

    /// <summary>A member that is a string, else null.</summary>
    public static string? Text(this JsonElement element, string name) =>
        element.Has(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    public static bool IsTrue(this JsonElement element, string name) =>
        element.Has(name, out var value) && value.ValueKind == JsonValueKind.True;

    public static bool IsFalse(this JsonElement element, string name) =>
        element.Has(name, out var value) && value.ValueKind == JsonValueKind.False;

    /// <summary>Elements of a member that is an array, else none.</summary>
    public static List<JsonElement> Items(this JsonElement element, string name) =>
        element.Has(name, out var value) && value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : [];

    /// <summary>The steps of a <c>Sequence</c>, the step that it is otherwise, or none.</summary>
    public static List<JsonElement> Steps(this JsonElement element, string list)
    {
        if (element.ValueKind != JsonValueKind.Object) return [];
        return element.Text("type") == "Sequence" ? element.Items(list) : [element];
    }
}
